"""A browser on a server with keys: it asks for one, and then everything works."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page

from app.classifier import artifact
from tests.conftest import make_metadata, make_model, running_server
from tests.page.conftest import answer

KEY = "the-key-of-the-browser"


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("models")
    artifact.save(folder / "fashion-mnist" / artifact.FILE_NAME, make_model(), make_metadata())
    with running_server(folder, SOFTMAX_API_KEYS=KEY) as url:
        yield url


def test_with_the_key_as_password_the_page_classifies_and_takes_feedback(browser: Browser, guarded: str) -> None:
    with browser.new_context(base_url=guarded, http_credentials={"username": "", "password": KEY}) as context:
        page: Page = context.new_page()
        page.goto("/")
        page.locator("#samples button").first.click()

        assert answer(page)
        page.click("#right")
        page.wait_for_selector("#thanks:not(:empty)")
        response = page.goto("/openapi.json")

    assert response is not None
    assert response.status == 200


def test_without_it_the_page_is_refused(browser: Browser, guarded: str) -> None:
    with browser.new_context(base_url=guarded, http_credentials={"username": "", "password": "wrong"}) as context:
        response = context.new_page().goto("/")

    assert response is not None
    assert response.status == 401
