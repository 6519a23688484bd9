"""One attacker of each kind: a coroutine that attacks a port of this machine until it is refused, or killed."""

import asyncio
import gzip
import io
from collections.abc import Awaitable, Callable

from PIL import Image

__all__ = ["ATTACKS"]

_Attack = Callable[[int], Awaitable[None]]
_BURST = b"GET /a HTTP/1.1\r\nHost: localhost\r\n\r\n"


async def _pipelines(port: int) -> None:
    """Five connections that each send 250 KB of requests at a time."""
    await asyncio.gather(*(_send_on(port, _BURST * (250_000 // len(_BURST)), b"") for _ in range(5)))


async def _unwanted_body(port: int) -> None:
    """A body that is refused by its head, and goes on in chunks of one byte."""
    head = b"POST /nowhere HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
    await _send_on(port, b"1\r\nx\r\n" * 40_000, head)


async def _tiny_chunks(port: int) -> None:
    """The same where the body is wanted."""
    head = b"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Type: image/png\r\nTransfer-Encoding: chunked\r\n\r\n"
    await _send_on(port, b"1\r\nx\r\n" * 40_000, head)


async def _many_fields(port: int) -> None:
    """Heads of 60 KB of the shortest fields, on fifty connections."""
    wire = b"GET /livez HTTP/1.1\r\nHost: localhost\r\n" + b"a:\r\n" * 15_000
    await asyncio.gather(*(_ask_on(port, wire + b"\r\n") for _ in range(50)))


async def _unfinished_heads(port: int) -> None:
    """Heads of 60 KB that do not end, on three hundred connections."""
    await _hold(port, b"GET /livez HTTP/1.1\r\nHost: localhost\r\nx: " + b"y" * 60_000, 300)


async def _unread_answers(port: int) -> None:
    """Batches with `pixels=true` whose answers nobody reads, on three hundred connections."""
    parts = b"".join(
        b'--b\r\nContent-Disposition: form-data; name="files"; filename="a"\r\n\r\n' + _image("PNG", 28) + b"\r\n"
        for _ in range(200)
    )
    await _hold(
        port, _post(b"/predict/batch?pixels=true", parts + b"--b--\r\n", b"multipart/form-data; boundary=b"), 300
    )


async def _declared_bodies(port: int) -> None:
    """Bodies that are announced and never sent, on two hundred connections."""
    head = b"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Type: image/png\r\nContent-Length: 900000\r\n\r\nx"
    await _hold(port, head, 200)


async def _lists(port: int) -> None:
    """An `Accept` of 60 KB of commas."""
    await _ask_on(port, b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nAccept: " + b"," * 60_000 + b"\r\n\r\n")


async def _queries(port: int) -> None:
    """A query of twenty thousand fields."""
    await _ask_on(port, b"GET /models?" + b"a&" * 20_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n")


async def _large_images(port: int) -> None:
    """Tiny files of four megapixels to be scaled down, on twelve connections."""
    wire = _post(b"/predict?resize=true", _image("WEBP", 2000), b"image/webp")
    await asyncio.gather(*(_ask_on(port, wire) for _ in range(12)))


async def _large_tensors(port: int) -> None:
    """A thousand images in a request, answered in JSON, on four connections."""
    tensor = b'{"name":"images","datatype":"UINT8","shape":[1000,28,28],"parameters":{"binary_data_size":784000}}'
    body = b'{"inputs":[%b]}' % tensor
    fields = b"Inference-Header-Content-Length: %d\r\n" % len(body)
    wire = _post(b"/v2/models/fashion-mnist/infer", body + bytes(784_000), b"application/octet-stream", fields)
    await asyncio.gather(*(_ask_on(port, wire) for _ in range(4)))


async def _silent_connections(port: int) -> None:
    """Two thousand connections that say nothing."""
    await _hold(port, b"", 2000)


async def _preflights(port: int) -> None:
    """Preflights that ask for thirty thousand headers."""
    fields = b"Origin: https://a.example\r\nAccess-Control-Request-Method: POST\r\nAccess-Control-Request-Headers: "
    await _ask_on(port, b"OPTIONS /predict HTTP/1.1\r\nHost: localhost\r\n" + fields + b"a," * 30_000 + b"\r\n\r\n")


async def _chunk_extensions(port: int) -> None:
    """A body whose chunks of one byte have extensions of four thousand."""
    head = b"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Type: image/png\r\nTransfer-Encoding: chunked\r\n\r\n"
    await _send_on(port, (b"1;" + b"e" * 4000 + b"\r\nx\r\n") * 60, head)


async def _expectations(port: int) -> None:
    """Bodies that wait to be told to come, and never do, on fifty connections at a time."""
    head = b"POST /predict HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: 900000\r\n\r\n"
    await asyncio.gather(*(_abandon(port, head) for _ in range(50)))


async def _compressed(port: int) -> None:
    """Sixteen megabytes in sixteen thousand bytes of gzip, on four connections."""
    wire = _post(b"/predict/batch", gzip.compress(bytes(16_000_000)), b"image/png", b"Content-Encoding: gzip\r\n")
    await asyncio.gather(*(_ask_on(port, wire) for _ in range(4)))


async def _labels(port: int) -> None:
    """Ten thousand labels of answers that nobody knows, in lines of JSON, on four connections."""
    lines = b"".join(b'{"id":"%028d","label":"Bag"}\n' % number for number in range(10_000))
    await asyncio.gather(*(_ask_on(port, _post(b"/feedback", lines, b"application/x-ndjson")) for _ in range(4)))


async def _deep_json(port: int) -> None:
    """A tensor of a megabyte of opening brackets, on four connections."""
    wire = _post(b"/v2/models/fashion-mnist/infer", b'{"inputs":' + b"[" * 1_000_000, b"application/json")
    await asyncio.gather(*(_ask_on(port, wire) for _ in range(4)))


async def _figures(port: int) -> None:
    """All that is read of the service, on twelve connections."""
    paths = (b"/metrics", b"/openapi.json", b"/models", b"/models/fashion-mnist/templates")
    wires = [b"GET %b HTTP/1.1\r\nHost: localhost\r\n\r\n" % path for path in paths]
    await asyncio.gather(*(_ask_on(port, wire) for wire in wires for _ in range(3)))


ATTACKS: dict[str, _Attack] = {
    "pipelines": _pipelines,
    "unwanted-body": _unwanted_body,
    "tiny-chunks": _tiny_chunks,
    "many-fields": _many_fields,
    "unfinished-heads": _unfinished_heads,
    "unread-answers": _unread_answers,
    "declared-bodies": _declared_bodies,
    "lists": _lists,
    "queries": _queries,
    "large-images": _large_images,
    "large-tensors": _large_tensors,
    "silent-connections": _silent_connections,
    "preflights": _preflights,
    "chunk-extensions": _chunk_extensions,
    "expectations": _expectations,
    "compressed": _compressed,
    "labels": _labels,
    "deep-json": _deep_json,
    "figures": _figures,
}


def _image(kind: str, side: int) -> bytes:
    file = io.BytesIO()
    Image.new("L", (side, side), 128).save(file, kind, lossless=True)
    return file.getvalue()


def _post(path: bytes, body: bytes, content_type: bytes, fields: bytes = b"") -> bytes:
    head = b"POST %b HTTP/1.1\r\nHost: localhost\r\nContent-Type: %b\r\n%bContent-Length: %d\r\n\r\n"
    return head % (path, content_type, fields, len(body)) + body


async def _send_on(port: int, wire: bytes, first: bytes) -> None:
    """Send the same again and again on one connection, as fast as it is taken, and drop what comes back."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    dropping = asyncio.ensure_future(_drop(reader))
    try:
        writer.write(first)
        while not dropping.done():
            writer.write(wire)
            await writer.drain()
            await asyncio.sleep(0)
    finally:
        dropping.cancel()
        writer.close()


async def _abandon(port: int, wire: bytes) -> None:
    """Send this, read what comes first, and be gone; again and again."""
    while True:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(wire)
        await reader.read(65_536)
        writer.close()


async def _drop(reader: asyncio.StreamReader) -> None:
    while await reader.read(65_536):
        pass


async def _ask_on(port: int, wire: bytes) -> None:
    """Ask the same again and again on one connection, each time the answer has come."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        while True:
            writer.write(wire)
            head = (await reader.readuntil(b"\r\n\r\n")).lower()
            await reader.readexactly(int(head.partition(b"content-length: ")[2].partition(b"\r\n")[0]))
            if b"connection: close" in head:
                return
    finally:
        writer.close()


async def _hold(port: int, wire: bytes, connections: int) -> None:
    """Send this once on each of many connections, read nothing, and hold them open for half a minute."""
    held = []
    try:
        for _ in range(connections):
            reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1)
            held.append((reader, writer))
            writer.write(wire)
        await asyncio.sleep(30)
    finally:
        for _, writer in held:
            writer.close()
