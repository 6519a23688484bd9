"""What Chromium shows of a file is what the service classifies: every picture, and mixtures of their kinds."""

import base64
import secrets
from collections.abc import Iterator, Mapping
from random import Random

import httpx
import pytest
from PIL import Image
from playwright.sync_api import Browser, Page

from app.classifier.images import read_pixels
from tests.pictures import bmp, gif, jpeg, png, webp
from tests.pictures.mixtures import mixture
from tests.pictures.scene import SIDE

pytestmark = pytest.mark.slow

TOLERANCE = 1  # levels of 255: libraries round colors differently
TOLERANCE_OF_LOSSY = 2  # and the steps of JPEG and lossy WebP once more
MIXTURES = 400
SHOW = """async (contents) => {
  const shown = [];
  for (const content of contents) {
    const image = new Image();
    image.src = URL.createObjectURL(new Blob([Uint8Array.from(atob(content), (letter) => letter.charCodeAt(0))]));
    try {
      await image.decode();
      const canvas = document.createElement("canvas");
      [canvas.width, canvas.height] = [image.naturalWidth, image.naturalHeight];
      const context = canvas.getContext("2d");
      context.fillRect(0, 0, canvas.width, canvas.height);  // black
      context.drawImage(image, 0, 0);
      const pixels = context.getImageData(0, 0, canvas.width, canvas.height).data;
      shown.push([canvas.width, canvas.height, btoa(String.fromCharCode(...pixels))]);
    } catch {
      shown.push(null);
    }
  }
  return shown;
}"""


@pytest.fixture(scope="module")
def blank_page(browser: Browser) -> Iterator[Page]:
    page = browser.new_page()
    yield page
    page.close()


def show(page: Page, files: list[bytes]) -> list[bytes | None]:
    """The gray values 0-255 that Chromium shows of each file on black; None: it shows nothing of 28×28."""
    found: list[bytes | None] = []
    for start in range(0, len(files), 100):
        for shown in page.evaluate(SHOW, [base64.b64encode(file).decode() for file in files[start : start + 100]]):
            if shown is None or shown[:2] != [SIDE, SIDE]:
                found.append(None)
            else:
                image = Image.frombytes("RGBA", (SIDE, SIDE), base64.b64decode(shown[2]))
                found.append(image.convert("RGB").convert("L").tobytes())
    return found


def largest_difference(ours: bytes, shown: bytes) -> int:
    return max(abs(our - their) for our, their in zip(ours, shown, strict=True))


@pytest.mark.parametrize(
    ("pictures", "tolerance"),
    [
        pytest.param(png.PICTURES, TOLERANCE, id="PNG"),
        pytest.param(gif.PICTURES, TOLERANCE, id="GIF"),
        pytest.param(bmp.PICTURES, TOLERANCE, id="BMP"),
        pytest.param(jpeg.PICTURES, TOLERANCE_OF_LOSSY, id="JPEG"),
        pytest.param(webp.PICTURES, TOLERANCE_OF_LOSSY, id="WebP"),
    ],
)
def test_the_service_sees_what_chromium_shows(
    blank_page: Page, site: str, pictures: Mapping[str, bytes], tolerance: int
) -> None:
    with httpx.Client(base_url=site) as client:
        answers = [client.post("/predict?pixels=true", files={"file": file}).json() for file in pictures.values()]
    seen = [bytes(value for row in answer.get("pixels", ()) for value in row) for answer in answers]
    assert [name for name, pixels in zip(pictures, seen, strict=True) if len(pixels) != SIDE * SIDE] == []

    shown = show(blank_page, list(pictures.values()))

    assert [name for name, pixels in zip(pictures, shown, strict=True) if pixels is None] == []
    differences = map(largest_difference, seen, [pixels for pixels in shown if pixels])
    assert {name: far for name, far in zip(pictures, differences, strict=True) if far > tolerance} == {}


@pytest.mark.parametrize("kind", ["fixed", "random"])
def test_the_service_sees_what_chromium_shows_of_mixtures(blank_page: Page, kind: str) -> None:
    seed = kind if kind == "fixed" else secrets.token_hex(4)
    files = {f"{seed} {number}": mixture(Random(f"{seed} {number}")) for number in range(MIXTURES)}  # noqa: S311
    shown = show(blank_page, list(files.values()))

    differences = {
        name: largest_difference(read_pixels(file), pixels)
        for (name, file), pixels in zip(files.items(), shown, strict=True)
        if pixels is not None  # Chromium shows no PNG whose pixels stand between broken frames
    }

    assert len(differences) > 0.95 * MIXTURES
    assert {name: far for name, far in differences.items() if far > TOLERANCE_OF_LOSSY} == {}
