"""The picture of the review in README, made anew on the model of this repository: `python -m tests.page.pictures`.

It takes Chromium, and Fashion-MNIST's test images in `data/`.
"""

from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import httpx
from PIL import Image
from playwright.sync_api import sync_playwright

from tests.conftest import REPOSITORY, running_server
from tests.drawings import png
from tests.page.conftest import ARGUMENTS, CHROMIUM, wait_until

_TEST_IMAGES = REPOSITORY / "data/FashionMNIST/raw/t10k-images-idx3-ubyte"
_HEADER, _PIXELS = 16, 784  # bytes of the file
_ASKED = 200  # images to choose from


def main() -> None:
    with running_server(REPOSITORY / "models", SOFTMAX_RECORD="images", SOFTMAX_LOG_REQUESTS="false") as url:
        with httpx.Client(base_url=url) as client:
            for image in islice(_test_images(), _ASKED):
                client.post("/predict", files={"file": png(image)}).raise_for_status()
            wait_until(lambda: len(client.get("/review", params={"limit": 20}).json()["images"]) == 20)
        _take(url, REPOSITORY / "docs/review.png")


def _test_images() -> Iterator[Image.Image]:
    content = _TEST_IMAGES.read_bytes()
    for start in range(_HEADER, len(content), _PIXELS):
        yield Image.frombytes("L", (28, 28), content[start : start + _PIXELS])


def _take(url: str, path: Path) -> None:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        page = browser.new_page(base_url=url, viewport={"width": 1000, "height": 560})
        page.goto("/#review")
        page.wait_for_selector("#review-likeliest button")
        page.screenshot(path=path)
        browser.close()


if __name__ == "__main__":
    main()
