"""The keyboard alone, narrow screens, dark and light, and what axe-core finds."""

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from tests.conftest import LABELS
from tests.page.conftest import answer


def tab_to(page: Page, selector: str) -> None:
    """Press Tab until the focus is there."""
    for _ in range(60):
        page.keyboard.press("Tab")
        if page.evaluate("selector => document.activeElement.matches(selector)", selector):
            return
    pytest.fail(f"Tab never comes to {selector}.")


def open_page(browser: Browser, site: str, width: int, scheme: str) -> Page:
    context = browser.new_context(base_url=site, viewport={"width": width, "height": 800}, color_scheme=scheme)  # type: ignore[arg-type] # a Literal there
    page = context.new_page()
    page.goto("/")
    page.wait_for_selector("#templates canvas")
    return page


def test_the_keyboard_alone_draws_and_clears(page: Page) -> None:
    tab_to(page, "#pad")
    page.keyboard.press("Space")
    for key in ("ArrowDown", "ArrowDown", "ArrowRight"):
        page.keyboard.press(key)

    assert answer(page) in LABELS
    page.keyboard.press("Delete")
    expect(page.locator("#label")).to_have_text("Nothing yet")
    page.keyboard.press("Control+z")
    assert answer(page) in LABELS


def test_the_keyboard_alone_reaches_every_control_in_reading_order(page: Page) -> None:
    page.click("#samples button >> nth=0")
    answer(page)
    page.evaluate("document.activeElement.blur()")
    page.evaluate("document.body.focus()")

    for selector in (
        "#model", "#theme", "#pad", "#undo", "#clear", "#file", "input[name=ink]", "#width", "#invert", "#fit",
        "#samples button", "#against", "input[name=evidence]", "#try", "#report", "#right", "#truth", "#wrong",
        ".scroll",
    ):  # fmt: skip
        tab_to(page, selector)


def test_a_sample_chosen_with_enter_and_its_change_tried(page: Page) -> None:
    tab_to(page, "#samples button")
    page.keyboard.press("Enter")
    before = answer(page)
    tab_to(page, "#try")

    page.keyboard.press("Enter")

    expect(page.locator("#label")).not_to_have_text(before)


def test_a_screen_reader_hears_the_answer_once_it_has_settled(page: Page) -> None:
    page.click("#samples button >> nth=0")

    expect(page.locator("#spoken")).not_to_be_empty()
    assert page.inner_text("#spoken").startswith(f"{answer(page)}, ")


def test_the_theme_is_switched_and_kept(page: Page) -> None:
    page.click("#theme")
    page.click("#theme")
    assert page.evaluate("getComputedStyle(document.documentElement).colorScheme") == "dark"

    page.reload()

    assert page.inner_text("#theme") == "Theme: dark"
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"


@pytest.mark.parametrize("width", [320, 390, 768])
def test_a_narrow_screen_needs_no_sideways_scrolling(browser: Browser, site: str, width: int) -> None:
    page = open_page(browser, site, width, "light")
    page.click("#samples button >> nth=0")
    answer(page)

    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.is_visible("#ticker")
    page.context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_axe_finds_nothing_serious(browser: Browser, site: str, width: int, scheme: str) -> None:
    page = open_page(browser, site, width, scheme)
    page.click("#samples button >> nth=0")
    answer(page)

    violations = Axe().run(page).response["violations"]

    found = [f"{entry['id']}: {entry['nodes'][0]['html'][:120]}" for entry in violations]
    assert found == []
    page.context.close()
