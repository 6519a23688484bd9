"""The accuracy that is promised is the accuracy that is served."""

import json
from http.client import HTTPConnection
from typing import Any

import pytest
from PIL import Image

from tests import drawings
from tests.conftest import REPOSITORY, running_server
from training.data.mnist_family import load_mnist
from training.data.splits import Split

DATA = REPOSITORY / "data"


@pytest.mark.slow
@pytest.mark.skipif(not (DATA / "FashionMNIST").exists(), reason="needs Fashion-MNIST in data/: run `make train` once")
def test_all_ten_thousand_test_images_posted_give_exactly_the_reported_accuracy() -> None:
    test = load_mnist("fashion-mnist", DATA).test
    assert isinstance(test, Split)
    right = 0

    with running_server(REPOSITORY / "models") as url:
        connection = HTTPConnection(url.removeprefix("http://"))  # for so many requests, httpx takes thrice the time

        def ask(method: str, path: str, image: bytes | None = None) -> Any:
            connection.request(method, path, image, {"Content-Type": "image/png"})
            return json.loads(connection.getresponse().read())

        for pixels, class_id in zip(test.pixels.view(-1, 28, 28).numpy(), test.class_ids.tolist(), strict=True):
            file = drawings.png(Image.fromarray(pixels))
            right += ask("POST", "/predict", file)["class_id"] == class_id
        metrics = ask("GET", "/metrics")
        connection.close()

    assert metrics["accuracy"] == right / 10_000
    assert metrics["accuracy"] >= 0.843
