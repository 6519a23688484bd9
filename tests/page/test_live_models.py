"""The page keeps up with models that change while it is open."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from app.classifier import artifact
from tests.conftest import make_metadata, make_model, running_server
from tests.page.conftest import DIGITS, answer


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    save(folder, "fashion-mnist", seed=0)
    save(folder, "second", seed=0)
    return folder


@pytest.fixture(scope="module")
def live_site(folder: Path) -> Iterator[str]:
    """The base URL of a server of its own, whose models the tests change."""
    with running_server(folder, SOFTMAX_MODELS_POLL_SECONDS="0.1") as url:
        yield url


@pytest.fixture
def live_page(browser: Browser, live_site: str) -> Iterator[Page]:
    page = browser.new_page(base_url=live_site)
    page.goto("/")
    page.wait_for_selector("#templates canvas")
    yield page
    page.close()


def save(folder: Path, name: str, seed: int, labels: tuple[str, ...] = DIGITS) -> str:
    return artifact.save(folder / name / artifact.FILE_NAME, make_model(labels, seed), make_metadata(name, labels))


def test_an_answer_of_another_version_brings_its_card_and_classes(live_page: Page, folder: Path) -> None:
    version = save(folder, "fashion-mnist", seed=1, labels=("a", "b"))
    expect(live_page.locator("#origin")).not_to_contain_text(version)
    live_page.wait_for_timeout(1000)  # for the service to take it

    live_page.click("#samples button >> nth=0")

    expect(live_page.locator("#origin")).to_contain_text(version)
    assert answer(live_page) in {"a", "b"}


def test_a_model_that_is_gone_is_said_and_leaves_the_list(live_page: Page, folder: Path) -> None:
    live_page.select_option("#model", "second")
    expect(live_page.locator("#origin")).to_contain_text("second")
    (folder / "second" / artifact.FILE_NAME).unlink()
    live_page.wait_for_timeout(1000)  # for the service to notice

    live_page.click("#samples button >> nth=0")

    expect(live_page.locator("#trouble")).to_contain_text("There is no model 'second'; there is fashion-mnist.")
    expect(live_page.locator("#model option")).to_have_count(1)
