"""The page, the documentation and their files: all from the service itself, behind any prefix."""

import re

import httpx
import pytest


@pytest.mark.parametrize("path", ["/", "/docs"])
async def test_a_page_takes_nothing_from_elsewhere(client: httpx.AsyncClient, path: str) -> None:
    page = await client.get(path)
    addresses = re.findall(r'(?:src|href)="([^"]+)"', page.text)

    assert addresses
    assert [address for address in addresses if address.startswith(("/", "http"))] == []
    assert "script-src 'self';" in page.headers["Content-Security-Policy"]
    for address in addresses:
        assert (await client.get(f"/{address}")).status_code == 200
