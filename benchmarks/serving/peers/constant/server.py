"""A bare ASGI handler: it classifies the image of its first request, and answers all others with the same bytes."""

from collections.abc import Awaitable, Callable
from typing import Any

import orjson
from classifier import Classifier
from python_multipart.multipart import MultipartParser, parse_options_header

start: dict[str, Any] = {}
body: dict[str, Any] = {}


async def app(
    scope: dict[str, Any],
    receive: Callable[[], Awaitable[dict[str, Any]]],
    send: Callable[[dict[str, Any]], Awaitable[None]],
) -> None:
    content, more = b"", True
    while more:
        message = await receive()
        content += message.get("body", b"")
        more = message.get("more_body", False)
    if not body:
        _remember(scope, content)
    await send(start)
    await send(body)


def _remember(scope: dict[str, Any], content: bytes) -> None:
    """Make the one answer."""
    image: list[bytes] = []
    _, options = parse_options_header(dict(scope["headers"])[b"content-type"])
    on_data = lambda data, first, end: image.append(data[first:end])  # noqa: E731  the parser's only use of it
    MultipartParser(options[b"boundary"], {"on_part_data": on_data}).write(content)
    [answer] = Classifier().classify([b"".join(image)])
    answer_bytes = orjson.dumps(answer)
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(answer_bytes)).encode())]
    start.update({"type": "http.response.start", "status": 200, "headers": headers})
    body.update({"type": "http.response.body", "body": answer_bytes})
