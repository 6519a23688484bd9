"""Whatever is sent, the answer is a status of the table in SECURITY.md and a sentence; never a 500 or a traceback.

On a real server, over sockets. What each part refuses is tested in detail beside that part's other tests.
"""

import gzip
import itertools
import re
import socket
import struct
import zlib
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import httpx
import orjson
import psutil
import pytest
from PIL import Image

from tests import drawings, forgeries
from tests.reliability.sockets import (
    BOUNDARY,
    FORM_TYPE,
    Answer,
    connect,
    form,
    multipart,
    post,
    read_answer,
    send,
    send_until_answered,
)

PNG = drawings.png()
FILE = b'Content-Disposition: form-data; name="file"; filename="a.png"'
INFER = "/v2/models/fashion-mnist/infer"
IMAGE_ROUTES = {"/predict": "file", "/explain": "file", "/predict/batch": "files", "/feedback": "file"}
LIMITS = {
    "/predict": 2**20 + 16 * 1024,
    "/explain": 2**20 + 16 * 1024,
    "/predict/batch": 16 * 2**20,
    "/feedback": 16 * 2**20,
    INFER: 16 * 2**20,
    "/v2/repository/index": 16 * 2**20,
}


@pytest.fixture(autouse=True)
def unharmed(server: str) -> Iterator[None]:
    """After each test the service answers as before."""
    yield
    answer = post(server, "/predict", PNG, b"image/png")
    assert (answer.status, httpx.get(f"{server}/readyz").status_code) == (200, 200)


def assert_refused(answer: Answer, status: int, *words: str) -> None:
    """The answer is a problem document of this status, whose one sentence has these words."""
    assert answer.status == status, answer
    assert answer.headers["content-type"] == "application/problem+json"
    assert [word for word in words if word not in answer.detail] == [], answer.detail
    assert "Traceback" not in answer.content.decode()
    assert len(answer.detail) < 1000


def memory(server: str) -> int:
    """The server's resident bytes."""
    port = int(server.rpartition(":")[2])
    for process in psutil.process_iter(["net_connections"]):
        with suppress(psutil.Error, TypeError):
            if any(c.status == "LISTEN" and c.laddr.port == port for c in process.info["net_connections"]):
                return int(process.memory_info().rss)
    raise AssertionError(server)


# Sizes


@pytest.mark.parametrize("path", LIMITS)
def test_a_declared_length_over_the_limit_is_refused_before_the_body(server: str, path: str) -> None:
    head = f"POST {path} HTTP/1.1\r\nHost: s\r\nContent-Length: {LIMITS[path] + 1}\r\n\r\n"

    answer = send(server, head.encode())

    assert_refused(answer, 413, f"{LIMITS[path] + 1:,}", f"{LIMITS[path]:,}")
    assert answer.headers["connection"] == "close"


@pytest.mark.parametrize("path", LIMITS)
def test_a_chunked_body_is_refused_where_it_passes_the_limit_and_not_kept(server: str, path: str) -> None:
    head = f"POST {path} HTTP/1.1\r\nHost: s\r\nTransfer-Encoding: chunked\r\nContent-Type: image/png\r\n\r\n"
    chunk = b"%x\r\n" % 2**16 + bytes(2**16) + b"\r\n"
    before = memory(server)

    answer, sent = send_until_answered(server, head.encode(), itertools.repeat(chunk, 4096))

    assert_refused(answer, 413, f"{LIMITS[path]:,}")
    assert sent < LIMITS[path] + 16 * 2**20  # of 256 MiB; what lies in the sockets' buffers has been sent, too
    assert memory(server) - before < LIMITS[path] + 32 * 2**20


@pytest.mark.parametrize("length", [b"9" * 18, b"9" * 19, b"9" * 400])
def test_an_absurd_length_is_refused(server: str, length: bytes) -> None:
    answer = send(server, b"POST /predict HTTP/1.1\r\nHost: s\r\nContent-Length: " + length + b"\r\n\r\n")

    assert answer.status in {400, 413}
    assert_refused(answer, answer.status)


@pytest.mark.parametrize("length", [b"-1", b"1x", b"0x10", b"1e3", b"1, 1"])
def test_a_length_that_is_none_is_not_http(server: str, length: bytes) -> None:
    answer = send(server, b"POST /predict HTTP/1.1\r\nHost: s\r\nContent-Length: " + length + b"\r\n\r\n")

    assert_refused(answer, 400, "HTTP")


def test_an_image_over_its_limit_is_named_in_a_batch(server: str) -> None:
    answer = post(server, "/predict/batch", form(("files", bytes(2**20 + 1)), ("files", PNG)), FORM_TYPE)

    too_large, fine = orjson.loads(answer.content)["predictions"]
    assert (too_large["status"], fine["label"] != "") == (413, True)


# Images


@pytest.mark.parametrize("forgery", forgeries.COSTLY)
def test_what_is_long_to_open_is_refused_soon(server: str, forgery: str) -> None:
    content, words = forgeries.COSTLY[forgery]

    answer = post(server, "/predict?resize=true", form(("file", content)), FORM_TYPE)

    assert_refused(answer, 422, "image.png", words)


@pytest.mark.parametrize("file_format", forgeries.HUGE)
@pytest.mark.parametrize(("query", "status"), [("", 422), ("?resize=true", 413)])
def test_gigapixels_are_refused_by_their_header(server: str, file_format: str, query: str, status: int) -> None:
    answer = post(server, f"/explain{query}", forgeries.HUGE[file_format], b"image/*")

    assert_refused(answer, status, "60000×60000" if file_format != "JPEG" else "65500×65500")


def test_pixels_that_inflate_beyond_their_size_are_left_compressed(server: str) -> None:
    bomb = forgeries.png(28, 28, pixels=bytes(50_000_000))
    before = memory(server)

    answer = post(server, "/predict", bomb, b"image/png")

    assert answer.status == 200
    assert memory(server) - before < 16 * 2**20


def test_a_tile_of_two_gigabytes_takes_no_memory(server: str) -> None:
    before = memory(server)

    answer = post(server, "/predict", forgeries.tiled_tiff((322, 4, 1, 46_320), (323, 4, 1, 46_320)), b"image/tiff")

    assert_refused(answer, 413, "46320×46320", "strips")
    assert memory(server) - before < 16 * 2**20


@pytest.mark.parametrize("file_format", forgeries.SEVERAL_FRAMES)
def test_animations_and_pages_are_refused(server: str, file_format: str) -> None:
    answer = post(server, "/predict", forgeries.SEVERAL_FRAMES[file_format], b"image/*")

    assert_refused(answer, 422, "several frames")


@pytest.mark.parametrize("content", [b"<svg/>", b"%PDF-1.7", b"MZ", b"\0" * 28, b"8BPS\0\1", b"text", b"\0\0\1\0"])
def test_formats_that_are_not_read_are_refused_by_their_names(server: str, content: bytes) -> None:
    assert_refused(post(server, "/predict", content, b"image/png"), 415, "PNG, JPEG, BMP, GIF, WebP, TIFF, PPM")


@pytest.mark.parametrize(("brand", "name"), [(b"heic", "HEIC"), (b"mif1", "HEIC"), (b"avif", "AVIF")])
def test_what_phones_take_instead_is_refused_with_what_to_do(server: str, brand: bytes, name: str) -> None:
    content = b"\0\0\0\x18ftyp" + brand + bytes(100)

    answer = post(server, "/predict", content, b"image/*")

    assert_refused(answer, 415, f"is {name}, which is not read; save it as JPEG or PNG.")


@pytest.mark.parametrize("file_format", ["PNG", "JPEG", "BMP", "GIF", "WEBP", "TIFF", "PPM"])
def test_a_file_cut_or_damaged_anywhere_is_classified_or_refused(server: str, file_format: str) -> None:
    whole = drawings.encode(drawings.ankle_boot(), file_format)
    offsets = range(0, len(whole), max(1, len(whole) // 150))
    damaged = [whole[:offset] + bytes([whole[offset] ^ 0x41]) + whole[offset + 1 :] for offset in offsets]

    statuses = set()
    with httpx.Client(base_url=server, headers={"Content-Type": "image/png"}) as client:
        for content in (*(whole[:offset] for offset in offsets), *damaged):
            answer = client.post("/predict", content=content)
            statuses.add(answer.status_code)
            assert answer.status_code == 200 or answer.json()["detail"].endswith(".")

    assert statuses <= {200, 400, 413, 415, 422}


def test_a_file_name_is_never_a_path(server: str, tmp_path: Path) -> None:
    victim = tmp_path / "victim.png"
    victim.write_bytes(PNG)

    for name in (str(victim), f"../../../../../../{victim}", "/etc/passwd", "file:///etc/passwd", "..\\..\\x", "CON"):
        answer = post(server, "/predict", form(("file", b"no image"), filename=name), FORM_TYPE)
        assert_refused(answer, 415, "is not an image")

    assert list(tmp_path.iterdir()) == [victim]
    assert victim.read_bytes() == PNG


# Forms


@pytest.mark.parametrize(
    ("content_type", "body", "status", "words"),
    [
        (None, b"", 415, "Content-Type is missing"),
        (None, PNG, 415, "Content-Type is missing"),
        (b"", PNG, 415, "Content-Type is missing"),
        (b"text/plain", PNG, 415, "text/plain"),
        (b"application/json", b"{}", 415, "application/json"),
        (b"image/png", b"", 400, "is empty"),
        (b"multipart/form-data", form(("file", PNG)), 400, "no boundary"),
        (b"multipart/form-data; boundary=", form(("file", PNG)), 400, "no boundary"),
        (b"multipart/form-data; boundary=" + b"b" * 71, form(("file", PNG)), 400, "no boundary"),
        (b"multipart/form-data; boundary=other", form(("file", PNG)), 400, "not in the body"),
        (b"multipart/mixed; boundary=x", form(("file", PNG)), 415, "multipart/mixed"),
        (FORM_TYPE, b"", 400, "not in the body"),
        (FORM_TYPE, form(("file", PNG))[:-8], 400, "cut off"),
        (FORM_TYPE, b"--" + BOUNDARY + b"--\r\n", 400, "no part"),
        (FORM_TYPE, form(("image", PNG)), 400, "it has 'image'"),
        (FORM_TYPE, form(("file", b"")), 400, "is empty"),
        (FORM_TYPE, form(("file", PNG), ("file", PNG)), 400, "2 parts named 'file'"),
        (FORM_TYPE, form(*[("other", b"x")] * 40), 413, "more than 17 parts"),
        (FORM_TYPE, multipart((b"X: " + b"x" * 4000 + b"\r\n" + FILE, PNG)), 400, "can't be read"),
        (FORM_TYPE, multipart((b"Content-Disposition: attachment; name=file", PNG)), 400, "no readable"),
        (FORM_TYPE, multipart((b"Content-Disposition: form-data; filename=a.png", PNG)), 400, "no name"),
        (FORM_TYPE, multipart((b'Content-Disposition: form-data; name="\xff\xfe"', PNG)), 400, "it has"),
        (FORM_TYPE, multipart((FILE, multipart((FILE, form(("file", PNG)))))), 400, ""),
        (b"multipart/form-data; boundary=" + b";boundary=" * 90, b"", 400, ""),
        (b"multipart/form-data" + b" " * 900, b"", 400, "no boundary"),
    ],
)
def test_a_form_that_can_t_be_read_is_refused(
    server: str, content_type: bytes | None, body: bytes, status: int, words: str
) -> None:
    for path in ("/predict", "/explain"):
        assert_refused(post(server, path, body, content_type), status, words)


@pytest.mark.parametrize(("path", "words"), [("/predict/batch", "1040 parts"), ("/feedback", "2064 parts")])
def test_a_form_of_endless_parts_is_refused(server: str, path: str, words: str) -> None:
    body = multipart(*[(b'Content-Disposition: form-data; name="x"', b"")] * 100_000)

    assert_refused(post(server, path, body, FORM_TYPE), 413, words)


def test_a_form_within_a_form_is_a_file_that_is_no_image(server: str) -> None:
    inner = b"--inner\r\n" + FILE + b"\r\n\r\n" + PNG + b"\r\n--inner--\r\n"
    for _ in range(100):
        inner = b"--inner\r\n" + FILE + b"\r\n\r\n" + inner

    assert_refused(post(server, "/predict", multipart((FILE, inner)), FORM_TYPE), 415, "a.png")


# Queries


@pytest.mark.parametrize(
    ("query", "status", "words"),
    [
        ("coverage=2", 400, "coverage"),
        ("coverage=-1", 400, "coverage"),
        ("coverage=nan", 400, "coverage"),
        ("coverage=inf", 400, "coverage"),
        ("coverage=" + "9" * 4000, 400, "coverage"),
        ("coverage=", 400, "coverage"),
        ("resize=perhaps", 400, "resize"),
        ("invert=2", 400, "invert"),
        ("pixels=%00", 400, "pixels"),
        ("model=nobody", 404, "nobody"),
        ("model=..%2F..%2Fetc%2Fpasswd", 404, "no model"),
        ("model=%00", 404, "no model"),
        ("model=%ff%fe", 404, "no model"),
        ("model=%ed%a0%80", 404, "no model"),
        ("model=" + "m" * 3000, 404, "no model"),
        ("model=" + "m" * 5000, 414, "query"),
        ("coverage=0.9&coverage=7", 400, "coverage"),
    ],
)
def test_query_values_out_of_range_are_refused_by_name(server: str, query: str, status: int, words: str) -> None:
    assert_refused(post(server, f"/predict?{query}", PNG, b"image/png"), status, words)


@pytest.mark.parametrize("query", ["unknown=1", "&&&", "=", "%", "%zz=1", "a" * 20_000, "\xff"])
def test_query_parts_that_mean_nothing_are_ignored_or_refused(server: str, query: str) -> None:
    head = b"POST /predict?" + query.encode("latin-1") + b" HTTP/1.1\r\nHost: s\r\nContent-Type: image/png\r\n"

    assert send(server, head + b"Content-Length: %d\r\n\r\n" % len(PNG) + PNG).status in {200, 400, 414}


@pytest.mark.parametrize("against", ["nothing", "%00", "%ff", "x" * 3000])
def test_a_label_that_is_none_is_refused(server: str, against: str) -> None:
    assert_refused(post(server, f"/explain?against={against}", PNG, b"image/png"), 422, "label")


# Tensors


def tensor(data: str = "[0]", shape: str = "[1, 784]", datatype: str = "UINT8") -> bytes:
    inputs = f'[{{"name": "images", "datatype": "{datatype}", "shape": {shape}, "data": {data}}}]'
    return f'{{"inputs": {inputs}}}'.encode()


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        (b"", 400, "Invalid JSON"),
        (b"\xff", 400, "Invalid JSON"),
        (b"[" * 30_000, 400, "recursion"),
        (b"[" * 40_000, 413, "40,000 arrays"),
        (b'{"a":' * 100, 413, "100 objects"),
        (b'{"id": "\\ud800", "inputs": []}', 400, "Invalid JSON"),
        (b'{"id": "' + b"x" * 2**20 + b'"}', 413, "1,048,576"),
        (tensor("[NaN]"), 400, "from 0 to 255"),
        (tensor("[" + "NaN," * 783 + "0]", datatype="FP32"), 400, "not from 0 to 1"),
        (tensor("[" + "Infinity," * 783 + "0]", datatype="FP32"), 400, "not from 0 to 1"),
        (tensor("[" + "-1e999," * 783 + "0]", datatype="FP32"), 400, ""),
        (tensor("[" + "9" * 4000 + "]"), 400, "from 0 to 255"),
        (tensor("[-1]"), 400, "from 0 to 255"),
        (tensor("[0]"), 400, "has 1 values"),
        (tensor(shape="[0, 784]"), 400, "shape"),
        (tensor(shape="[-1, 784]"), 400, "shape"),
        (tensor(shape="[1e3, 784]"), 400, "shape"),
        (tensor(shape="[9223372036854775807, 784]"), 400, "values"),
        (tensor(shape="[18446744073709551616, 784]"), 400, "shape"),
        (tensor(shape="[2147483648, 1, 28, 28]"), 400, "values"),
        (tensor(shape="[1, 28, 29]"), 400, "send [N, 28, 28]"),
        (tensor(shape="[]"), 400, "send [N, 28, 28]"),
        (tensor(datatype="FP64"), 400, "datatype"),
        (tensor('["\\ud83d"]'), 400, ""),
        (tensor("{}"), 400, "data"),
    ],
)
def test_a_tensor_that_is_none_is_refused(server: str, body: bytes, status: int, words: str) -> None:
    answer = post(server, INFER, body)

    assert_refused(answer, status, words)
    assert orjson.loads(answer.content)["error"] == answer.detail


def binary(
    values: bytes, shape: str = "[1, 784]", datatype: str = "FP32", size: int | None = None
) -> tuple[bytes, bytes]:
    size = len(values) if size is None else size
    parameters = f'{{"binary_data_size": {size}}}'
    inputs = f'[{{"name": "images", "datatype": "{datatype}", "shape": {shape}, "parameters": {parameters}}}]'
    header = f'{{"inputs": {inputs}}}'.encode()
    return header + values, b"Inference-Header-Content-Length: %d" % len(header)


@pytest.mark.parametrize(
    ("request_", "status", "words"),
    [
        (binary(struct.pack("<784f", *[float("nan")] * 784)), 400, "not from 0 to 1"),
        (binary(struct.pack("<784f", *[float("inf")] * 784)), 400, "not from 0 to 1"),
        (binary(struct.pack("<784f", *[-1.0] * 784)), 400, "not from 0 to 1"),
        (binary(bytes(783), datatype="UINT8"), 400, "784"),
        (binary(bytes(784), datatype="UINT8", size=785), 400, "785"),
        (binary(bytes(784), datatype="UINT8", size=-1), 400, "-1"),
        (binary(bytes(784), "[1099511627776, 784]", "UINT8"), 400, "takes"),
        (binary(bytes(784 * 1025), "[1025, 784]", "UINT8"), 413, "1,024"),
        ((bytes(784), b"Inference-Header-Content-Length: 785"), 400, "785"),
        ((bytes(784), b"Inference-Header-Content-Length: -1"), 400, "-1"),
        ((bytes(784), b"Inference-Header-Content-Length: " + b"9" * 500), 400, "999"),
        ((bytes(785), b"Inference-Header-Content-Length: 0"), 400, "785"),
        ((gzip.compress(bytes(2**25)), b"Content-Encoding: gzip"), 413, "decompressed"),
        ((zlib.compress(bytes(2**25)), b"Content-Encoding: deflate"), 413, "decompressed"),
        ((b"no gzip", b"Content-Encoding: gzip"), 400, "not gzip"),
        ((gzip.compress(b"{}")[:-3], b"Content-Encoding: gzip"), 400, "cut off"),
        ((b"{}", b"Content-Encoding: br"), 415, "br"),
    ],
)
def test_binary_tensors_that_do_not_fit_are_refused(
    server: str, request_: tuple[bytes, bytes], status: int, words: str
) -> None:
    body, header = request_

    assert_refused(post(server, INFER, body, None, header), status, words)


@pytest.mark.parametrize("body", [b"[]", b"{", b'{"ready": 7}', b"\xff", b"[" * 5000])
def test_an_index_request_that_is_none_is_refused(server: str, body: bytes) -> None:
    assert_refused(post(server, "/v2/repository/index", body), 400, "index request")


# HTTP


@pytest.mark.parametrize(
    "request_",
    [
        b"\0\0\0\0\r\n\r\n",
        b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03" + bytes(range(128, 160)),  # TLS
        b"GET\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"G\xc3\x8bT / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nno colon\r\n\r\n",
        b"GET / HTTP/1.1\r\nA\0B: x\r\n\r\n",
        b"GET / HTTP/1.1\r\nA: x\0y\r\n\r\n",
        b"GET / HTTP/1.1\r\nA : x\r\n\r\n",
        b"POST /predict HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
        b"POST /predict HTTP/1.1\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST /predict HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"POST /predict HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n" + b"f" * 30 + b"\r\n",
        b"POST /predict HTTP/1.1\r\nTransfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n",
    ],
)
def test_what_is_not_http_is_refused_and_closed(server: str, request_: bytes) -> None:
    with connect(server) as client:
        client.sendall(request_)
        client.shutdown(socket.SHUT_WR)
        answer = b"".join(iter(lambda: client.recv(65_536), b""))

    assert answer == b"" or answer.startswith(b"HTTP/1.1 400"), answer
    assert b"Traceback" not in answer


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "TRACE", "OPTIONS", "PROPFIND", "CONNECT", "GET"])
def test_other_methods_are_refused_with_those_allowed(server: str, method: str) -> None:
    target = "s:80" if method == "CONNECT" else "/predict"

    with connect(server) as client:
        client.sendall(f"{method} {target} HTTP/1.1\r\nHost: s\r\n\r\n".encode())
        answer = read_answer(client)

    assert answer.status in ({400, 404, 405} if method == "CONNECT" else {405})
    if answer.status == 405 and method != "CONNECT":
        assert_refused(answer, 405, "POST")
        assert answer.headers["allow"] == "POST"


@pytest.mark.parametrize(
    "path",
    [
        "/nothing",
        "/static/../main.py",
        "/static/..%2f..%2fmain.py",
        "/static/%2e%2e/%2e%2e/settings.py",
        "/static//etc/passwd",
        "/static/%00",
        "/static/..\\main.py",
        "/models/..%2f..",
        "/models/%00",
        "/models/%ff%fe",
        "/v2/models/..%2f/infer",
        "/%2e%2e/%2e%2e/etc/passwd",
        "//",
        "/predict/",
        "/" + "a" * 30_000,
        "/" + "../" * 1000,
    ],
)
def test_paths_lead_nowhere_but_to_routes(server: str, path: str) -> None:
    answer = send(server, f"GET {path} HTTP/1.1\r\nHost: s\r\n\r\n".encode())

    assert answer.status in {307, 400, 404, 405}
    if answer.status != 307:
        assert_refused(answer, answer.status)
    assert b"root:" not in answer.content
    assert b"import" not in answer.content


def test_http_1_0_is_answered_and_closed(server: str) -> None:
    with connect(server) as client:
        client.sendall(
            b"POST /predict HTTP/1.0\r\nContent-Type: image/png\r\nContent-Length: %d\r\n\r\n" % len(PNG) + PNG
        )
        answer = b"".join(iter(lambda: client.recv(65_536), b""))

    assert answer.startswith(b"HTTP/1.1 200")


def test_refused_and_answered_requests_keep_their_order_in_a_pipeline(server: str) -> None:
    def request(body: bytes, *headers: bytes) -> bytes:
        fields = (b"Host: s", b"Content-Type: image/png", b"Content-Length: %d" % len(body), *headers)
        return b"POST /predict HTTP/1.1\r\n" + b"\r\n".join(fields) + b"\r\n\r\n" + body

    elsewhere = b"GET /nothing HTTP/1.1\r\nHost: s\r\n\r\n"

    with connect(server) as client:
        client.sendall(request(PNG) + request(b"no") + elsewhere + request(PNG, b"Connection: close"))
        answers = b"".join(iter(lambda: client.recv(65_536), b""))

    assert re.findall(rb"HTTP/1.1 (\d+)", answers) == [b"200", b"415", b"404", b"200"]


@pytest.mark.parametrize("path", ["/livez", "/", "/models", "/nothing", "/metrics"])
def test_a_body_where_none_is_read_is_not_kept(server: str, path: str) -> None:
    chunk = b"%x\r\n" % 2**16 + bytes(2**16) + b"\r\n"
    before = memory(server)

    head = f"GET {path} HTTP/1.1\r\nHost: s\r\nTransfer-Encoding: chunked\r\n\r\n"
    answer, _ = send_until_answered(server, head.encode(), itertools.repeat(chunk, 4096))

    assert answer.status in {200, 404, 413}
    assert memory(server) - before < 16 * 2**20


@pytest.mark.parametrize("request_id", [b"\xff\xfe", b"a b", b"x" * 5000, b"<script>", b"%0d%0aSet-Cookie:x=1"])
def test_a_request_id_of_any_bytes_breaks_no_header(server: str, request_id: bytes) -> None:
    answer = post(server, "/predict", b"no image", b"image/png", b"X-Request-ID: " + request_id)

    assert_refused(answer, 415)
    assert "set-cookie" not in answer.headers


def test_as_many_images_as_are_allowed_are_answered_and_one_more_is_refused(server: str) -> None:
    blank = drawings.png(Image.new("L", (28, 28)))

    most = post(server, "/predict/batch", form(*[("files", blank)] * 1024), FORM_TYPE)
    more = post(server, "/predict/batch", form(*[("files", blank)] * 1025), FORM_TYPE)

    assert len(orjson.loads(most.content)["predictions"]) == 1024
    assert_refused(more, 413, "1,025 files", "1,024")
