"""When the server fails or can't be reached, the page says so in words and comes back by itself."""

from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Request, expect

from tests.conftest import free_port, running_server
from tests.page.conftest import answer


def test_a_server_error_is_shown_with_its_request_id(page: Page, console_errors: list[str]) -> None:
    body = '{"title": "Internal error", "detail": "The service failed.", "status": 500, "request_id": "abc-1"}'
    page.route("**/explain*", lambda route: route.fulfill(status=500, body=body))

    page.click("#samples button >> nth=0")

    page.wait_for_selector("#trouble:visible")
    assert page.inner_text("#trouble") == "Internal error: The service failed. (request abc-1)"
    assert page.is_disabled("#right")
    console_errors.clear()


def test_an_error_page_of_a_proxy_is_shown_as_its_status(page: Page, console_errors: list[str]) -> None:
    page.route("**/explain*", lambda route: route.fulfill(status=502, body="<html>Bad Gateway</html>"))

    page.click("#samples button >> nth=0")

    page.wait_for_selector("#trouble:visible")
    assert "502" in page.inner_text("#trouble")
    console_errors.clear()


def test_the_next_good_answer_takes_the_message_away(page: Page, console_errors: list[str]) -> None:
    page.route("**/explain*", lambda route: route.fulfill(status=500, body="{}"), times=1)
    page.click("#samples button >> nth=0")
    page.wait_for_selector("#trouble:visible")

    page.click("#samples button >> nth=1")

    page.wait_for_selector("#trouble", state="hidden")
    console_errors.clear()


def test_a_lost_connection_is_said_and_the_drawing_answered_when_it_is_back(
    page: Page, context: BrowserContext, console_errors: list[str]
) -> None:
    context.set_offline(True)
    page.click("#samples button >> nth=0")
    page.wait_for_selector("#trouble:visible")
    assert "does not answer" in page.inner_text("#trouble")

    context.set_offline(False)

    answer(page)
    page.wait_for_selector("#trouble", state="hidden")
    console_errors.clear()


@pytest.mark.parametrize("path", ["models", "metrics"])
def test_a_start_without_connection_is_made_up_for(context: BrowserContext, site: str, path: str) -> None:
    page = context.new_page()
    page.route(f"**/{path}", lambda route: route.abort(), times=1)

    page.goto(site)
    page.wait_for_selector("#trouble:visible")

    page.wait_for_selector("#templates canvas")
    page.wait_for_selector("#trouble", state="hidden")


@pytest.mark.slow
def test_a_dead_server_is_asked_more_and_more_slowly_until_it_lives(browser: Browser, models_dir: Path) -> None:
    asked: list[Request] = []
    port = str(free_port())
    with running_server(models_dir, port=port) as url:
        page = browser.new_page(base_url=url)
        page.clock.install()
        page.goto("/")
        page.wait_for_selector("#templates canvas")
        page.on("requestfailed", lambda request: asked.append(request) if request.url.endswith("/livez") else None)

    page.click("#samples button >> nth=0")
    expect(page.locator("#trouble")).to_contain_text("The server does not answer.")
    seconds = [second for second in range(1, 17) if has_asked(page, asked)]
    with running_server(models_dir, port=port):
        page.clock.fast_forward(30_000)

        assert answer(page)
        page.wait_for_selector("#trouble", state="hidden")
    page.close()

    assert seconds == [1, 3, 7, 15]


def has_asked(page: Page, asked: list[Request]) -> bool:
    """Whether the page asked within the second that is now let pass."""
    before = len(asked)
    page.clock.fast_forward(1000)
    page.wait_for_timeout(50)
    return len(asked) > before


def test_a_refusal_is_no_dead_server(page: Page, console_errors: list[str], tmp_path: Path) -> None:
    asked: list[str] = []
    large = tmp_path / "large.png"
    large.write_bytes(bytes(12_000_000))
    page.on("request", lambda request: asked.append(request.url.rpartition("/")[2].partition("?")[0]))

    page.set_input_files("#file", large)

    expect(page.locator("#trouble")).to_contain_text("the limit is")
    assert asked == ["explain"]
    console_errors.clear()


def test_a_request_that_a_living_server_cuts_off_is_not_sent_again_and_again(
    page: Page, console_errors: list[str]
) -> None:
    page.route("**/explain*", lambda route: route.abort("connectionreset"))
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url) if "/explain" in request.url else None)

    page.click("#samples button >> nth=0")

    expect(page.locator("#trouble")).to_contain_text("The server answers, but ends the connection")
    page.wait_for_timeout(1500)
    assert len(asked) == 3
    console_errors.clear()
