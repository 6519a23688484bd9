"""When the server fails or can't be reached, the page says so in words and comes back by itself."""

import pytest
from playwright.sync_api import BrowserContext, Page

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
