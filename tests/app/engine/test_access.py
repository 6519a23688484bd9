"""The check of the key, and the settings of keys."""

from base64 import b64encode
from pathlib import Path

import httpx
import pytest
from pydantic import SecretStr

from app.engine.access import Access
from app.engine.keys import Keys
from app.engine.problems import UnauthorizedError
from app.main import create_app
from app.settings import Settings

KEY, OTHER = "a-key-for-the-tests", "another-key-for-the-tests"
OPEN = frozenset({"/livez", "/v2/health/live"})


@pytest.fixture
def check() -> Access:
    return Access(Keys([KEY, OTHER]), OPEN)


def basic(password: str, user: str = "") -> bytes:
    return b"Basic " + b64encode(f"{user}:{password}".encode())


@pytest.mark.parametrize(
    "headers",
    [
        {b"authorization": f"Bearer {KEY}".encode()},
        {b"authorization": f"bearer  {OTHER} ".encode()},
        {b"x-api-key": KEY.encode()},
        {b"authorization": basic(KEY)},
        {b"authorization": basic(OTHER, "anna")},
    ],
)
def test_a_key_is_taken_in_every_form(check: Access, headers: dict[bytes, bytes]) -> None:
    check.check("POST", "/predict", headers)


@pytest.mark.parametrize(
    ("headers", "reason"),
    [
        ({}, "A key is needed"),
        ({b"authorization": b""}, "A key is needed"),
        ({b"authorization": KEY.encode()}, "A key is needed"),
        ({b"authorization": f"Digest {KEY}".encode()}, "A key is needed"),
        ({b"authorization": b"Bearer"}, "none of those"),
        ({b"authorization": f"Bearer {KEY[:-1]}".encode()}, "none of those"),
        ({b"authorization": f"Bearer {KEY}{KEY}".encode()}, "none of those"),
        ({b"x-api-key": b""}, "none of those"),
        ({b"x-api-key": b"\xff\x00"}, "none of those"),
        ({b"x-api-key": b"wrong", b"authorization": f"Bearer {KEY}".encode()}, "none of those"),
        ({b"authorization": b"Basic !!!"}, "not base64"),
        ({b"authorization": b"Basic " + b64encode(KEY.encode())}, "none of those"),
    ],
)
@pytest.mark.parametrize(
    "path", ["/predict", "/", "/metrics", "/docs", "/openapi.json", "/livez/", "/readyz/../metrics"]
)
def test_everything_else_is_refused_and_never_repeats_what_was_sent(
    check: Access, path: str, headers: dict[bytes, bytes], reason: str
) -> None:
    with pytest.raises(UnauthorizedError, match=reason) as caught:
        check.check("GET", path, headers)

    assert KEY[:-1] not in str(caught.value)


@pytest.mark.parametrize("path", sorted(OPEN))
def test_open_paths_need_no_key(check: Access, path: str) -> None:
    check.check("GET", path, {})


async def test_only_a_preflight_of_a_configured_origin_is_answered_without_a_key(models_dir: Path) -> None:
    origin = "https://pages.example"
    app = create_app(Settings(models_dir=models_dir, api_keys=(SecretStr(KEY),), cors_origins=(origin,)))
    asks = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "X-API-Key"}

    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://service") as client:
        preflight = await client.options("/predict", headers={"Origin": origin, **asks})
        of_another = await client.options("/predict", headers={"Origin": "https://other.example", **asks})
        request = await client.post("/predict", headers={"Origin": origin})

    assert (preflight.status_code, preflight.headers["Access-Control-Allow-Origin"]) == (200, origin)
    assert of_another.status_code == 400
    assert "Access-Control-Allow-Origin" not in of_another.headers
    assert request.status_code == 401


def test_a_page_of_another_site_cannot_use_the_browsers_key_to_change_anything(check: Access) -> None:
    headers = {b"authorization": basic(KEY), b"sec-fetch-site": b"cross-site"}

    check.check("GET", "/", headers)
    check.check("POST", "/feedback", headers | {b"sec-fetch-site": b"same-origin"})
    with pytest.raises(UnauthorizedError, match="another site"):
        check.check("POST", "/feedback", headers)


@pytest.mark.parametrize(
    ("fields", "may"),
    [
        ({}, True),  # no browser asks
        ({b"origin": b"http://garments.example:8000"}, True),
        ({b"origin": b"HTTP://Garments.Example:8000"}, True),
        ({b"origin": b"https://public.example", b"sec-fetch-site": b"same-origin"}, True),  # a proxy changed Host
        ({b"origin": b"http://other.example"}, False),
        ({b"origin": b"http://garments.example"}, False),
        ({b"origin": b"null"}, False),
        ({b"origin": b""}, False),
    ],
)
def test_over_plain_http_the_origin_tells_whose_page_uses_the_browsers_key(
    check: Access, fields: dict[bytes, bytes], *, may: bool
) -> None:
    headers = {b"authorization": basic(KEY), b"host": b"garments.example:8000", **fields}

    check.check("GET", "/", headers)
    check.check("POST", "/feedback", {**headers, b"authorization": f"Bearer {KEY}".encode()})
    if may:
        check.check("POST", "/feedback", headers)
    else:
        with pytest.raises(UnauthorizedError, match="another site"):
            check.check("POST", "/feedback", headers)


async def test_why_the_service_is_not_ready_is_told_only_to_who_has_a_key(tmp_path: Path) -> None:
    app = create_app(Settings(models_dir=tmp_path / "none", api_keys=(SecretStr(KEY),)))

    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://service") as client:
        anonymous = await client.get("/readyz")
        known = await client.get("/readyz", headers={"X-API-Key": KEY})

    assert anonymous.status_code == known.status_code == 503
    assert str(tmp_path) not in anonymous.text
    assert str(tmp_path) in known.text
