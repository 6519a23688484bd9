"""The review: one key for each recorded image, in Chromium, against the API's own figures."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from app.classifier import artifact
from app.classifier.metadata import CoverageScores
from tests.conftest import LABELS, make_metadata, make_model, running_server
from tests.drawings import noise, png
from tests.page.conftest import PARTS, wait_until


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server that keeps images, with a model of three classes, whose prediction sets have them all, beside."""
    folder = tmp_path_factory.mktemp("models")
    artifact.save(folder / "fashion-mnist" / artifact.FILE_NAME, make_model(), make_metadata())
    parts = make_metadata("parts", PARTS)
    whole = CoverageScores(coverage=0.95, measured_coverage=1.0, mean_set_size=len(PARTS))
    parts = parts.model_copy(update={"evaluation": parts.evaluation.model_copy(update={"coverages": (whole,)})})
    artifact.save(folder / "parts" / artifact.FILE_NAME, make_model(PARTS), parts)
    with running_server(folder, SOFTMAX_RECORD="images") as url:
        yield url


def to_review(url: str) -> list[dict[str, Any]]:
    return list(httpx.get(f"{url}/review", params={"limit": 100}).json()["images"])


def labels_told(url: str) -> int:
    [windows] = httpx.get(f"{url}/metrics").json()["live"]["windows"]["fashion-mnist"].values()
    return int(windows["all"]["labels"])


@pytest.fixture
def images(recording: str) -> list[dict[str, Any]]:
    """Six images, in the order in which they will be shown."""
    missing = 6 - len(to_review(recording))
    for seed in range(missing):
        httpx.post(f"{recording}/predict", files={"file": png(noise(seed))})
    wait_until(lambda: len(to_review(recording)) >= 6)
    return to_review(recording)


def open_review(browser: Browser, url: str, width: int = 1280, scheme: Any = "light", path: str = "/#review") -> Page:
    context = browser.new_context(base_url=url, viewport={"width": width, "height": 900}, color_scheme=scheme)
    context.set_default_timeout(10_000)
    page = context.new_page()
    page.goto(path)
    page.wait_for_selector("#review-likeliest button")
    return page


def test_the_keyboard_alone_labels_skips_and_takes_back(
    browser: Browser, recording: str, images: list[dict[str, Any]]
) -> None:
    before = labels_told(recording)
    page = open_review(browser, recording)

    page.keyboard.press("3")
    expect(page.locator("#review-said")).to_have_text(f"{LABELS[2]}. Next image.")
    page.keyboard.press("n")
    expect(page.locator("#review-count")).to_contain_text("2 told")
    assert labels_told(recording) == before + 2
    page.keyboard.press("u")
    expect(page.locator("#review-said")).to_have_text("Taken back.")
    assert labels_told(recording) == before + 1
    page.keyboard.press("0")
    expect(page.locator("#review-said")).to_have_text(f"{LABELS[9]}. Next image.")
    page.keyboard.press("s")
    expect(page.locator("#review-said")).to_have_text("Skipped. Next image.")

    assert labels_told(recording) == before + 2
    remaining = {image["id"] for image in to_review(recording)}
    assert {image["id"] for image in images[2:]} <= remaining
    assert remaining.isdisjoint(image["id"] for image in images[:2])
    page.context.close()


def test_the_image_its_reason_and_the_three_likeliest_are_shown(
    browser: Browser, recording: str, images: list[dict[str, Any]]
) -> None:
    page = open_review(browser, recording)

    drawn = page.evaluate(
        "[...document.getElementById('review-image').getContext('2d').getImageData(0, 0, 28, 28).data]"
        ".filter((_, i) => i % 4 == 0)"
    )
    first = images[0]
    ranked = sorted(first["probabilities"], key=first["probabilities"].__getitem__, reverse=True)
    buttons = page.locator("#review-likeliest button").all_inner_texts()
    assert drawn == [value for row in first["pixels"] for value in row]
    assert [text.rpartition(" %")[0].rpartition(" ")[0] for text in buttons] == ranked[:3]
    assert page.locator("#review-others button").count() == 7
    assert page.inner_text("#review-reason") != ""
    page.context.close()


def test_where_the_three_likeliest_are_all_no_others_are_announced(browser: Browser, recording: str) -> None:
    httpx.post(f"{recording}/predict?model=parts", files={"file": png(noise(0))})
    wait_until(lambda: bool(httpx.get(f"{recording}/review?model=parts").json()["images"]))

    page = open_review(browser, recording, path="/?model=parts#review")

    assert page.locator("#review-likeliest button").count() == 3
    assert not page.is_visible("#review-others-title")
    page.context.close()


def test_sets_of_all_labels_are_said_to_say_nothing(browser: Browser, recording: str) -> None:
    page = browser.new_page(base_url=recording)
    for model, said in (("parts", True), ("fashion-mnist", False)):
        page.goto(f"/?model={model}")
        expect(page.locator("#origin")).to_contain_text(model)
        assert page.is_visible("#sets-whole") == said
    page.close()


def test_the_tabs_lead_there_and_back_and_a_click_labels(
    browser: Browser, recording: str, images: list[dict[str, Any]]
) -> None:
    assert images
    before = labels_told(recording)
    page = open_review(browser, recording)

    page.click("#review-likeliest button >> nth=0")
    expect(page.locator("#review-count")).to_contain_text("1 told")
    page.click("#tab-ask")

    assert page.is_visible("#pad")
    assert page.is_hidden("#review")
    assert labels_told(recording) == before + 1
    page.context.close()


def test_the_card_shows_each_window_with_its_interval(browser: Browser, recording: str) -> None:
    answer = httpx.post(f"{recording}/predict", files={"file": png()}).json()
    wait_until(
        lambda: (
            httpx.post(f"{recording}/feedback", json={"id": answer["id"], "label": answer["label"]}).json()["joined"]
            == 1
            or httpx.get(f"{recording}/metrics").json()["live"]["feedback"] != {}
        )
    )
    context = browser.new_context(base_url=recording)
    page = context.new_page()
    page.goto("/")

    expect(page.locator("#windows li")).to_have_count(4)

    expect(page.locator("#windows")).to_contain_text("Last hour: ")
    expect(page.locator("#windows")).to_contain_text("% with 95 % confidence")
    expect(page.locator("#keeps")).to_have_text("it keeps them for review")
    context.close()


@pytest.mark.parametrize("width", [320, 1280])
def test_review_fits_narrow_screens_and_axe_finds_nothing(
    browser: Browser, recording: str, images: list[dict[str, Any]], width: int
) -> None:
    assert images
    page = open_review(browser, recording, width, "dark" if width == 320 else "light")

    assert page.evaluate("document.documentElement.scrollWidth") <= width
    violations = Axe().run(page).response["violations"]
    assert [f"{entry['id']}: {entry['nodes'][0]['html'][:120]}" for entry in violations] == []
    page.context.close()


def test_where_no_images_are_kept_the_page_says_how_to_keep_them(page: Page, console_errors: list[str]) -> None:
    page.click("#tab-review")

    expect(page.locator("#review-empty")).to_contain_text("SOFTMAX_RECORD=images")
    console_errors.clear()  # the browser names the 409
