"""A real Chromium on a real server. Every test also fails on a console error that it does not expect."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from app.classifier import artifact
from app.classifier.preparation import Preparation
from tests.conftest import make_metadata, make_model, running_server

CHROMIUM = Path("/usr/bin/chromium")
ARGUMENTS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking"]
DIGITS = tuple("0123456789")
PARTS = ("bolt", "nut", "washer")


@pytest.hookimpl(tryfirst=True)  # before those that are not asked for are left out
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "browser" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.browser)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    # module scope: while Playwright's synchronous API is open, asynchronous tests can't run
    if not CHROMIUM.exists():
        pytest.skip(f"needs Chromium at {CHROMIUM}: apt-get install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The base URL of a server with `digits`, `fashion-mnist`, and `parts`, trained on photographs, dark on light."""
    folder = tmp_path_factory.mktemp("models")
    artifact.save(folder / "fashion-mnist" / artifact.FILE_NAME, make_model(), make_metadata())
    digits = make_metadata("digits", DIGITS)
    artifact.save(folder / "digits" / artifact.FILE_NAME, make_model(DIGITS, seed=1), digits)
    preparation = Preparation(resize=True, invert=True)
    parts = make_metadata("parts", PARTS).model_copy(update={"preparation": preparation})
    artifact.save(folder / "parts" / artifact.FILE_NAME, make_model(PARTS, seed=2), parts)
    with running_server(folder) as url:
        yield url


@pytest.fixture
def context(browser: Browser, site: str) -> Iterator[BrowserContext]:
    context = browser.new_context(base_url=site, viewport={"width": 1280, "height": 900}, has_touch=True)
    context.set_default_timeout(10_000)
    yield context
    context.close()


@pytest.fixture
def console_errors() -> list[str]:
    """What Chromium complained about; a test that provokes it clears the list."""
    return []


@pytest.fixture
def page(context: BrowserContext, console_errors: list[str]) -> Iterator[Page]:
    """The page, ready to draw on."""
    page = context.new_page()
    page.on("console", lambda message: console_errors.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: console_errors.append(str(error)))
    page.goto("/")
    page.wait_for_selector("#templates canvas")
    yield page
    assert console_errors == []


def answer(page: Page) -> str:
    """The label that is shown, once there is one."""
    expect(page.locator("#confidence")).not_to_be_empty()
    return page.inner_text("#label")


def wait_until(condition: Callable[[], bool], seconds: float = 10) -> None:
    """For what no locator can tell; Playwright's own wait_for_function evaluates strings, which the page forbids."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            pytest.fail(f"still not so after {seconds} s")
        time.sleep(0.05)
