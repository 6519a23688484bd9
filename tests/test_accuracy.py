"""The accuracy that is promised is the accuracy that is served."""

import httpx
import pytest
from PIL import Image

from tests import drawings
from tests.conftest import REPOSITORY, running_server
from training.mnist_family import load_mnist
from training.splits import Split

DATA = REPOSITORY / "data"


@pytest.mark.skipif(not (DATA / "FashionMNIST").exists(), reason="needs Fashion-MNIST in data/: run `make train` once")
def test_all_ten_thousand_test_images_posted_give_exactly_the_reported_accuracy() -> None:
    test = load_mnist("fashion-mnist", DATA).test
    assert isinstance(test, Split)
    right = 0

    with running_server(REPOSITORY / "models") as url, httpx.Client(base_url=url) as client:
        for pixels, class_id in zip(test.pixels.view(-1, 28, 28).numpy(), test.class_ids.tolist(), strict=True):
            file = drawings.png(Image.fromarray(pixels))
            right += client.post("/predict", files={"file": file}).json()["class_id"] == class_id
        metrics = client.get("/metrics").json()

    assert metrics["accuracy"] == right / 10_000
    assert metrics["accuracy"] >= 0.843
