"""The documentation in a browser: it asks nothing of anybody else, and can be tried out behind a proxy's prefix."""

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
from playwright.sync_api import Browser, expect

from tests.conftest import free_port
from tests.page.conftest import wait_until

CONFIGURATION = """
daemon off; pid {folder}/nginx.pid; error_log stderr; events {{}}
http {{
  access_log off; client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi; uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
  server {{
    listen 127.0.0.1:{port};
    location /garments/ {{
      proxy_pass {site}/;
      proxy_set_header X-Forwarded-Prefix /garments;
      proxy_set_header Host $http_host;
    }}
  }}
}}
"""


@pytest.fixture(scope="module")
def proxy(site: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The base URL of the service behind nginx, which has it under a prefix."""
    nginx = shutil.which("nginx")
    if nginx is None:
        pytest.skip("needs nginx: apt-get install nginx-light")
    folder, port = tmp_path_factory.mktemp("nginx"), free_port()
    configuration = Path(folder / "nginx.conf")
    configuration.write_text(CONFIGURATION.format(folder=folder, port=port, site=site))
    with subprocess.Popen([nginx, "-c", configuration, "-e", "stderr"]) as process:
        url = f"http://127.0.0.1:{port}/garments"
        wait_until(lambda: is_there(f"{url}/livez"))
        yield url
        process.terminate()


def is_there(url: str) -> bool:
    try:
        return httpx.get(url).status_code == 200
    except httpx.TransportError:
        return False


@pytest.mark.parametrize("prefix", ["", "/garments"])
def test_a_call_can_be_tried_out(browser: Browser, request: pytest.FixtureRequest, prefix: str) -> None:
    base = request.getfixturevalue("proxy" if prefix else "site")
    troubles: list[str] = []
    asked: list[str] = []
    with browser.new_context() as context:
        page = context.new_page()
        page.on("console", lambda message: troubles.append(message.text) if message.type == "error" else None)
        page.on("request", lambda sent: asked.append(sent.url))
        page.goto(f"{base}/docs")
        page.locator(".opblock", has_text="/livez").first.click()
        page.get_by_role("button", name="Execute").click()

        expect(page.locator(".live-responses-table .response-col_status").last).to_contain_text("200")

    assert troubles == []
    assert {urlsplit(url).netloc for url in asked if not url.startswith(("data:", "blob:"))} == {urlsplit(base).netloc}
    assert f"{base}/livez" in asked


def test_a_redirect_behind_a_proxy_leads_where_it_should(proxy: str) -> None:
    answer = httpx.get(f"{proxy}/models/", follow_redirects=True)

    assert str(answer.url) == f"{proxy}/models"
    assert answer.status_code == 200


def test_the_page_works_behind_a_prefix(browser: Browser, proxy: str) -> None:
    with browser.new_context() as context:
        page = context.new_page()
        page.goto(f"{proxy}/")
        page.locator("#samples button").first.click()

        expect(page.locator("#confidence")).not_to_be_empty()
