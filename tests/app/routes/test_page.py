"""The page, the documentation and their files: all from the service itself, behind any prefix."""

import re

import httpx
import pytest

from app.main import create_app
from app.settings import Settings


@pytest.mark.parametrize("path", ["/", "/docs"])
async def test_a_page_takes_nothing_from_elsewhere(client: httpx.AsyncClient, path: str) -> None:
    page = await client.get(path)
    addresses = re.findall(r'(?:src|href)="([^"]+)"', page.text)

    assert addresses
    assert [address for address in addresses if address.startswith(("/", "http"))] == []
    assert "script-src 'self';" in page.headers["Content-Security-Policy"]
    for address in addresses:
        assert (await client.get(f"/{address}")).status_code == 200


@pytest.mark.parametrize(
    ("root_path", "header", "path"),
    [
        ("/garments", {}, "/garments/models/"),
        ("/garments", {}, "/models/"),
        ("", {"X-Forwarded-Prefix": "/garments"}, "/models/"),
        ("", {"X-Forwarded-Prefix": "/garments/"}, "/models/"),
    ],
)
async def test_redirects_keep_the_prefix(settings: Settings, root_path: str, header: dict[str, str], path: str) -> None:
    app = create_app(settings.model_copy(update={"root_path": root_path}))

    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://service") as client:
        answer = await client.get(path, headers=header)

    assert answer.status_code == 307
    assert answer.headers["Location"] == "http://service/garments/models"


@pytest.mark.parametrize("prefix", ["//elsewhere.example", "/a b", "https://elsewhere.example", "/a?b", "é"])
async def test_a_prefix_that_is_none_is_not_believed(client: httpx.AsyncClient, prefix: str) -> None:
    answer = await client.get("/models/", headers={b"X-Forwarded-Prefix": prefix.encode()})

    assert answer.headers["Location"] == "http://service/models"


@pytest.mark.parametrize(("path", "status"), [("/garments/livez", 200), ("/livez", 200), ("/garmentslivez", 404)])
async def test_a_path_is_found_under_the_root_path_and_without_it(settings: Settings, path: str, status: int) -> None:
    app = create_app(settings.model_copy(update={"root_path": "/garments"}))

    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://service") as client:
        assert (await client.get(path)).status_code == status
        assert (await client.get("/garments/v2/nothing")).json()["error"]
        assert (await client.get("/garments")).headers["Location"] == "http://service/garments/"


async def test_the_description_is_valid_wherever_it_lies(client: httpx.AsyncClient) -> None:
    document = (await client.get("/openapi.json", headers={"X-Forwarded-Prefix": "/garments"})).json()

    assert document["servers"] == [{"url": "."}]


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("DELETE", "/models", "GET, HEAD"),
        ("GET", "/predict", "POST"),
        ("DELETE", "/livez", "GET, HEAD, OPTIONS"),
        ("POST", "/openapi.json", "GET, HEAD"),
        ("POST", "/", "GET, HEAD"),
    ],
)
async def test_a_refused_method_is_told_all_that_the_path_takes(
    client: httpx.AsyncClient, method: str, path: str, allowed: str
) -> None:
    answer = await client.request(method, path)

    assert answer.status_code == 405
    assert answer.headers["Allow"] == allowed
    assert allowed in answer.json()["detail"]


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/v2/health/live", "/v2/health/ready"])
async def test_options_on_a_probe_is_answered_as_get_is(client: httpx.AsyncClient, path: str) -> None:
    options, get = await client.options(path), await client.get(path)

    assert (options.status_code, options.content) == (get.status_code, get.content) == (200, options.content)
