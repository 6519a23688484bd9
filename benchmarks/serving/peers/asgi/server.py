"""A hand-written ASGI handler: python-multipart, the shared classifier, orjson; no limits and no error answers."""

from collections.abc import Awaitable, Callable
from typing import Any

import orjson
from classifier import Classifier
from python_multipart.multipart import MultipartParser, parse_options_header

classifier = Classifier()


async def app(
    scope: dict[str, Any],
    receive: Callable[[], Awaitable[dict[str, Any]]],
    send: Callable[[dict[str, Any]], Awaitable[None]],
) -> None:
    parts: list[bytes] = []
    headers = dict(scope["headers"])
    _, options = parse_options_header(headers[b"content-type"])
    on_data = lambda data, start, end: parts.append(data[start:end])  # noqa: E731  the parser's only use of it
    parser = MultipartParser(options[b"boundary"], {"on_part_data": on_data})
    more = True
    while more:
        message = await receive()
        parser.write(message.get("body", b""))
        more = message.get("more_body", False)
    [answer] = classifier.classify([b"".join(parts)])
    body = orjson.dumps(answer)
    answer_headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": answer_headers})
    await send({"type": "http.response.body", "body": body})
