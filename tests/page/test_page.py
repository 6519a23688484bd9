"""Each thing that one can do on the page, in Chromium, against the API's own answers."""

import base64
import re
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Page, expect

from tests.conftest import LABELS, REPOSITORY
from tests.drawings import ankle_boot, encode, png
from tests.page.conftest import answer, wait_until

MAKE_TRANSFER = """([name, type, base64]) => {
  const bytes = Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
  const transfer = new DataTransfer();
  transfer.items.add(new File([bytes], name, { type }));
  return transfer;
}"""
HAS_LIGHT = "pad => pad.getContext('2d').getImageData(0, 0, 280, 280).data.some((value, i) => i % 4 != 3 && value > 0)"
PIXELS_OF = "canvas => [...canvas.getContext('2d').getImageData(0, 0, 28, 28).data].filter((_, i) => i % 4 == 0)"


def draw(page: Page, *points: tuple[float, float]) -> None:
    """Draw a line on the pad with the mouse, through points in shares of its side."""
    box = page.locator("#pad").bounding_box()
    assert box is not None
    positions = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in points]
    page.mouse.move(*positions[0])
    page.mouse.down()
    for position in positions[1:]:
        page.mouse.move(*position, steps=4)
    page.mouse.up()


def predicted(site: str, content: bytes, **query: str) -> str:
    found = httpx.post(f"{site}/predict", files={"file": ("image", content)}, params=query).json()
    return str(found["label"])


def choose(page: Page, name: str, content: bytes) -> None:
    page.set_input_files("#file", {"name": name, "mimeType": "image/png", "buffer": content})


def test_a_line_drawn_with_the_mouse_is_answered_with_bars_for_every_class(page: Page) -> None:
    draw(page, (0.3, 0.2), (0.7, 0.8))

    assert answer(page) in LABELS
    assert page.locator("#bars li").count() == 10
    wait_until(lambda: page.inner_text("#bars .winner").startswith(answer(page)))  # it may still be answering anew
    shares = [float(text.strip(" %")) for text in page.locator("#bars .value").all_inner_texts()]
    assert sum(shares) == pytest.approx(100, abs=1)


def test_the_bars_move_while_the_line_is_still_being_drawn(page: Page) -> None:
    box = page.locator("#pad").bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + 60, box["y"] + 60)

    page.mouse.down()
    page.mouse.move(box["x"] + 200, box["y"] + 200, steps=5)

    assert answer(page) in LABELS
    page.mouse.up()


def test_a_finger_draws(page: Page) -> None:
    box = page.locator("#pad").bounding_box()
    assert box is not None

    page.touchscreen.tap(box["x"] + 100, box["y"] + 100)

    assert answer(page) in LABELS


def test_undo_and_clear_take_it_back(page: Page) -> None:
    draw(page, (0.3, 0.2), (0.7, 0.8))
    answer(page)

    page.click("#undo")
    expect(page.locator("#label")).to_have_text("Nothing yet")
    draw(page, (0.3, 0.2), (0.7, 0.8))
    answer(page)
    page.click("#clear")

    expect(page.locator("#label")).to_have_text("Nothing yet")
    assert page.is_visible("#pad-hint")
    assert page.is_disabled("#try")


def test_the_model_sees_what_is_shown_at_28_by_28(page: Page) -> None:
    choose(page, "boot.png", png())
    answer(page)

    seen = page.eval_on_selector("#seen", PIXELS_OF)

    assert bytes(seen) == ankle_boot().tobytes()


def test_a_chosen_image_gets_the_answer_of_the_api(page: Page, site: str) -> None:
    choose(page, "boot.png", png())

    assert answer(page) == predicted(site, png())


def test_an_image_of_another_size_is_fitted_or_refused_as_chosen(page: Page, console_errors: list[str]) -> None:
    large = png(ankle_boot().resize((300, 200)))
    page.uncheck("#fit")

    choose(page, "large.png", large)
    page.wait_for_selector("#trouble:visible")
    assert "300×200" in page.inner_text("#trouble")
    page.check("#fit")

    assert answer(page) in LABELS
    page.wait_for_selector("#trouble", state="hidden")
    assert len(console_errors) == 1  # Chromium's own line about the refusal
    console_errors.clear()


def test_invert_turns_what_the_model_sees(page: Page) -> None:
    choose(page, "boot.png", png())
    answer(page)

    page.check("#invert")
    wait_until(lambda: page.eval_on_selector("#seen", PIXELS_OF)[0] == 255)

    seen = page.eval_on_selector("#seen", PIXELS_OF)
    assert bytes(255 - value for value in seen) == ankle_boot().tobytes()


@pytest.mark.parametrize("event", ["drop", "paste"])
def test_an_image_is_dropped_or_pasted(page: Page, site: str, event: str) -> None:
    encoded = base64.b64encode(png()).decode()
    transfer = page.evaluate_handle(MAKE_TRANSFER, ["boot.png", "image/png", encoded])

    if event == "drop":
        page.dispatch_event("#pad", "drop", {"dataTransfer": transfer})
    else:
        page.evaluate("data => document.dispatchEvent(new ClipboardEvent('paste', {clipboardData: data}))", transfer)

    assert answer(page) == predicted(site, png())


def test_an_image_that_the_browser_cannot_show_is_shown_as_the_model_sees_it(page: Page, site: str) -> None:
    content = encode(ankle_boot(), "PPM")

    choose(page, "boot.pgm", content)

    assert answer(page) == predicted(site, content)
    wait_until(
        lambda: page.eval_on_selector("#pad", "pad => pad.getContext('2d').getImageData(140, 99, 1, 1).data[0]") > 0
    )


def test_a_file_that_is_no_image_is_refused_in_words(page: Page, console_errors: list[str]) -> None:
    choose(page, "notes.txt", b"not an image")

    page.wait_for_selector("#trouble:visible")
    assert "notes.txt is not an image" in page.inner_text("#trouble")
    console_errors.clear()


def test_a_refused_file_takes_away_what_was_shown(page: Page, console_errors: list[str]) -> None:
    page.click("#samples button >> nth=0")
    answer(page)

    choose(page, "notes.txt", b"not an image")
    page.wait_for_selector("#trouble:visible")

    assert page.inner_text("#label") == "Nothing yet"
    assert not page.eval_on_selector("#pad", HAS_LIGHT)
    console_errors.clear()


def test_the_chosen_model_stands_in_the_address_and_is_there_after_a_reload(page: Page) -> None:
    page.select_option("#model", "digits")
    expect(page.locator("#origin")).to_contain_text("digits")
    assert page.url.endswith("/?model=digits")

    page.reload()

    expect(page.locator("#origin")).to_contain_text("digits")
    assert page.input_value("#model") == "digits"


def test_a_model_of_ones_own_classes_has_no_drawings_to_start_from_and_says_how_it_takes_files(page: Page) -> None:
    page.goto("/?model=parts")

    expect(page.locator("#origin")).to_contain_text("Image files are fitted into 28×28, inverted")
    assert page.locator("#samples button").count() == 0
    assert page.is_hidden("#samples-title")


def test_files_are_turned_around_as_the_model_asks_and_drawings_are_not(page: Page, site: str) -> None:
    page.goto("/?model=parts")
    expect(page.locator("#origin")).to_contain_text("parts")

    choose(page, "boot.png", png())
    assert answer(page) == predicted(site, png(), model="parts")
    assert page.is_checked("#invert")
    page.click("#clear")

    assert not page.is_checked("#invert")


def test_no_browser_restores_what_the_page_does_not_know_of() -> None:
    text = (REPOSITORY / "app" / "static" / "index.html").read_text()

    fields = re.findall(r"<(?:input|select|button[^>]* disabled)[^>]*", text)

    assert len(fields) > 10
    assert [field for field in fields if 'autocomplete="off"' not in field] == []


def test_a_sample_is_put_on_the_pad(page: Page) -> None:
    page.click("#samples button >> nth=0")

    assert answer(page) in LABELS
    assert page.is_hidden("#pad-hint")


def test_the_evidence_follows_the_choice_of_rival(page: Page) -> None:
    page.click("#samples button >> nth=0")
    winner = answer(page)
    rival = next(other for other in reversed(LABELS) if other != winner)

    page.select_option("#against", rival)
    page.check("input[value=difference]", force=True)

    expect(page.locator("#against-label")).to_have_text(f"for {rival}")
    assert page.inner_text("#for-label") == f"for {winner}"
    assert page.inner_text("#bars .rival").startswith(rival)


def test_evidence_is_blue_and_orange(page: Page) -> None:
    page.click("#samples button >> nth=0")
    answer(page)

    colors = page.eval_on_selector("#evidence", "c => [...c.getContext('2d').getImageData(0, 0, 28, 28).data]")

    pixels = list(zip(colors[0::4], colors[1::4], colors[2::4], strict=True))
    assert any(blue > 1.5 * red for red, _, blue in pixels)
    assert any(red > 1.5 * blue for red, _, blue in pixels)


def test_the_change_that_is_tried_changes_the_answer(page: Page) -> None:
    page.click("#samples button >> nth=0")
    before = answer(page)
    promised = re.search(r"This is (.+)\. No pixel", page.inner_text("#change"))
    assert promised is not None

    page.click("#try")
    expect(page.locator("#label")).not_to_have_text(before)

    assert answer(page) == promised[1]


def test_the_explanation_is_saved_as_a_picture(page: Page) -> None:
    page.click("#samples button >> nth=0")
    answer(page)

    with page.expect_download() as download:
        page.click("#report")

    assert Path(download.value.path()).read_bytes().startswith(b"\x89PNG")


def test_a_right_answer_is_confirmed_and_counted(page: Page) -> None:
    page.click("#samples button >> nth=0")
    answer(page)

    page.click("#right")

    expect(page.locator("#thanks")).to_contain_text("It was right in")
    expect(page.locator("#figures")).to_contain_text("right")


def test_a_wrong_answer_is_put_right(page: Page, site: str) -> None:
    page.click("#samples button >> nth=1")
    truth = next(other for other in LABELS if other != answer(page))
    before = httpx.get(f"{site}/metrics").json()["live"]["feedback"].get("fashion-mnist", {"count": 0, "correct": 0})

    page.select_option("#truth", truth)
    page.click("#wrong")

    expect(page.locator("#thanks")).to_contain_text(f"in {before['correct']} of {before['count'] + 1} cases")


def test_another_model_brings_its_own_classes_card_and_samples(page: Page) -> None:
    page.click("#samples button >> nth=0")
    answer(page)

    page.select_option("#model", "digits")
    expect(page.locator("#origin")).to_contain_text("digits")

    expect(page.locator("#label")).to_have_text(re.compile(r"\d"))
    assert page.locator("#samples button").first.inner_text() == "0"
    assert page.locator("#templates figcaption").all_inner_texts() == list("0123456789")


def test_the_card_shows_accuracy_with_its_interval_and_the_confusion_matrix(page: Page) -> None:
    figures = page.inner_text("#figures")

    assert "90.00 %" in figures
    assert "82.6–94.5 %" in figures
    assert page.locator("#confusion tbody tr").count() == 10
    assert page.locator("#templates canvas").count() == 10


def test_the_card_says_how_often_prediction_sets_hold_the_truth(page: Page) -> None:
    assert page.locator("#coverages tr").all_inner_texts() == ["95 %\t94.2 %\t1.29"]


def test_the_page_asks_nobody_but_this_server(page: Page, site: str) -> None:
    addresses: list[str] = []
    page.on("request", lambda request: addresses.append(request.url))

    page.reload()
    page.wait_for_selector("#templates canvas")

    assert len(addresses) > 5
    assert all(address.startswith(site) for address in addresses)


def test_the_page_allows_no_script_but_its_own(site: str) -> None:
    document = httpx.get(site)

    policy = document.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert not re.search(r"<script>|<style|style=|\son\w+=", document.text)
