"""Who may ask where there are no keys."""

import httpx
import pytest

from app.engine.neighbors import Neighbors
from app.engine.problems import ForeignRequestError
from app.main import create_app
from app.settings import Settings
from tests import drawings
from tests.reliability.sockets import send

CHECK = Neighbors(["Pages.example"], ["https://friend.example"], frozenset({"/livez"}))


@pytest.mark.parametrize(
    "host",
    [
        "localhost",
        "LOCALHOST:80",
        "localhost:",
        "localhost.",
        "localhost.:8000",
        "127.0.0.1:8000",
        "127.8.8.8",
        "[::1]",
        "[::1]:8000",
        "pages.example:1",
        "pages.example.",
    ],
)
def test_the_names_of_this_machine_and_those_of_the_service_are_known(host: str) -> None:
    CHECK.check("GET", "/models", {b"host": host.encode()})


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:8000",
        "localhost.evil.example",
        "evil.localhost",
        "localhost..",
        "10.0.0.1",
        "0.0.0.1",
        "127.0.0.1.evil",
        "[::2]",
        ":8000",
        ".",
    ],
)
def test_a_request_under_another_name_is_refused(host: str) -> None:
    with pytest.raises(ForeignRequestError, match="SOFTMAX_ALLOWED_HOSTS"):
        CHECK.check("GET", "/models", {b"host": host.encode()})
    CHECK.check("GET", "/livez", {b"host": host.encode()})


@pytest.mark.parametrize(
    "headers",
    [
        {b"sec-fetch-site": b"cross-site"},
        {b"sec-fetch-site": b"same-site", b"origin": b"http://localhost:8000"},
        {b"origin": b"http://evil.example"},
        {b"origin": b"null"},
        {b"origin": b"http://localhost:9999"},
    ],
)
def test_a_page_of_another_site_may_read_nothing_new_and_change_nothing(headers: dict[bytes, bytes]) -> None:
    headers = {b"host": b"localhost:8000", **headers}

    with pytest.raises(ForeignRequestError, match="another site"):
        CHECK.check("POST", "/feedback", headers)
    CHECK.check("GET", "/", headers)


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {b"origin": b"http://localhost:8000"},
        {b"sec-fetch-site": b"same-origin", b"origin": b"https://behind.a.proxy"},
        {b"sec-fetch-site": b"none"},
        {b"sec-fetch-site": b"cross-site", b"origin": b"https://friend.example"},
    ],
)
def test_the_services_own_page_its_friends_and_whoever_is_no_browser_may_post(headers: dict[bytes, bytes]) -> None:
    CHECK.check("POST", "/feedback", {b"host": b"localhost:8000", **headers})


def test_whoever_names_no_host_is_no_browser() -> None:
    CHECK.check("GET", "/models", {})


def test_under_any_name_where_none_is_said() -> None:
    Neighbors([], [], frozenset()).check("GET", "/", {b"host": b"service.namespace"})


def test_over_a_socket_a_rebound_name_reads_nothing_and_the_page_of_another_site_teaches_nothing(server: str) -> None:
    before = httpx.get(f"{server}/metrics").json()["live"]

    rebound = httpx.get(f"{server}/models", headers={"Host": "evil.example"})
    posted = httpx.post(
        f"{server}/feedback",
        headers={"Origin": "http://evil.example"},
        files={"file": ("boot.png", drawings.png(), "image/png")},
        data={"label": "Sandal"},
    )
    predicted = [
        send(server, b"POST %b HTTP/1.1\r\nHost: %b\r\nContent-Length: 0\r\n\r\n" % target).status
        for target in ((b"/predict", b"evil.example"), (b"http://evil.example/predict", b"localhost"))
    ]

    assert [answer.status_code for answer in (rebound, posted)] == [403, 403]
    assert rebound.json()["title"] == "Request from elsewhere"
    assert predicted == [403, 403]
    after = httpx.get(f"{server}/metrics").json()["live"]
    assert after.get("feedback") == before.get("feedback")


@pytest.mark.parametrize(
    "path",
    ["/", "/docs", "/openapi.json", "/static/main.js", "/static/swagger-ui/swagger-ui.css", "/metrics", "/review"],
)
@pytest.mark.parametrize("method", [b"GET", b"HEAD", b"OPTIONS"])
def test_under_a_rebound_name_nothing_at_all_is_read(server: str, path: str, method: bytes) -> None:
    head = b"%b %b HTTP/1.1\r\nHost: evil.example:8000\r\nConnection: close\r\n\r\n" % (method, path.encode())

    assert send(server, head).status == 403


async def test_a_preflight_says_what_pages_of_other_origins_may_send() -> None:
    app = create_app(Settings(cors_origins=("https://pages.example",), cors_headers=("X-Uploader",)))
    asks = {"Origin": "https://pages.example", "Access-Control-Request-Method": "POST"}

    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://service") as client:
        granted = [
            await client.options("/predict", headers={**asks, "Access-Control-Request-Headers": name})
            for name in ("cache-control", "x-requested-with", "traceparent", "x-uploader", "content-encoding")
        ]
        refused = await client.options("/predict", headers={**asks, "Access-Control-Request-Headers": "x-other"})
        by_put = await client.options("/predict", headers={**asks, "Access-Control-Request-Method": "PUT"})

    assert [answer.status_code for answer in granted] == [200] * 5
    for answer in (refused, by_put):
        assert answer.status_code == 400
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["request_id"] == answer.headers["x-request-id"]
        assert "origin" in answer.headers["vary"].lower()
    assert "x-other" in refused.json()["detail"]
