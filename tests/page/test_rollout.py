"""The page shows who stands by a model: the challenger beside the champion, and what is missing to decide."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from app.rollout.model_folder import CHALLENGER, PREVIOUS
from tests.app.rollout.conftest import save_model
from tests.conftest import running_server

NAME = "fashion-mnist"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models") / NAME
    save_model(folder, seed=0)
    save_model(folder / CHALLENGER, seed=1)
    save_model(folder / PREVIOUS, seed=2)
    return folder


@pytest.fixture(scope="module")
def rollout_site(folder: Path) -> Iterator[str]:
    with running_server(folder.parent, SOFTMAX_RECORDS=f"sqlite:///{folder.parent.parent}/records.sqlite") as url:
        yield url


@pytest.fixture
def rollout_page(browser: Browser, rollout_site: str) -> Iterator[Page]:
    page = browser.new_page(base_url=rollout_site, viewport={"width": 390, "height": 800})
    page.goto("/")
    page.wait_for_selector("#templates canvas")
    yield page
    page.close()


def test_champion_and_challenger_stand_side_by_side_with_what_is_missing(rollout_page: Page, folder: Path) -> None:
    versions = [(path / "README.md").read_text() for path in (folder, folder / CHALLENGER, folder / PREVIOUS)]

    expect(rollout_page.locator("#sides tr").first).to_have_text(f"Version{versions[0]}{versions[1]}")
    expect(rollout_page.locator("#sides tr").nth(1)).to_have_text("Test accuracy90.00 %90.00 %")
    expect(rollout_page.locator("#missing")).to_contain_text("0 images are labeled, 500 are needed.")
    expect(rollout_page.locator("#missing")).to_contain_text(f"Version {versions[2]} answered before")
    assert rollout_page.evaluate("document.documentElement.scrollWidth") <= 390


def test_a_model_by_itself_shows_nobody(page: Page) -> None:
    expect(page.locator("#rollout")).to_be_hidden()
