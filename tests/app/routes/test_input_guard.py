"""`/predict` warns of images unlike the training images, and counts them."""

import gzip
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
import torch
from PIL import Image, ImageOps
from torch import Tensor

from app.classifier import artifact
from app.classifier.pixel_statistics import PixelStatistics
from app.classifier.preparation import Preparation
from app.main import create_app
from app.settings import Settings
from tests.app.classifier.test_pixel_statistics import boots
from tests.conftest import REPOSITORY, make_metadata, make_model
from tests.drawings import ankle_boot, noise, png

RAW = REPOSITORY / "data" / "FashionMNIST" / "raw"


@pytest.fixture
async def guarded(tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    """A client of a model that was trained on boots."""
    path = tmp_path / "boots" / artifact.FILE_NAME
    artifact.save(path, make_model(), make_metadata("boots"), PixelStatistics.measure(boots()))
    transport = httpx.ASGITransport(create_app(Settings(models_dir=tmp_path)))
    async with httpx.AsyncClient(transport=transport, base_url="http://service") as client:
        yield client


async def predict(client: httpx.AsyncClient, content: bytes, path: str = "/predict") -> dict[str, object]:
    answer: dict[str, object] = (await client.post(path, files={"file": content})).json()
    return answer


async def test_an_image_like_those_of_training_has_no_warnings(guarded: httpx.AsyncClient) -> None:
    assert "warnings" not in await predict(guarded, png())


@pytest.mark.parametrize("path", ["/predict", "/explain"])
@pytest.mark.parametrize(
    ("image", "code"),
    [(ImageOps.invert(ankle_boot()), "inverted"), (Image.new("L", (28, 28)), "blank"), (noise(), "unusual")],
)
async def test_an_odd_image_is_answered_with_a_warning(
    guarded: httpx.AsyncClient, path: str, image: Image.Image, code: str
) -> None:
    answer = await predict(guarded, png(image), path)

    assert "probabilities" in answer
    assert isinstance(answer["warnings"], list)
    assert [warning["code"] for warning in answer["warnings"]] == [code]


@pytest.mark.parametrize(
    ("preparation", "query", "advice"),
    [
        (Preparation(), "", " Ask for invert=true if it is."),
        (Preparation(), "?invert=false", ""),
        (Preparation(invert=True), "", " Ask for invert=false if it is."),
    ],
)
async def test_the_advice_is_what_was_not_asked_for(
    tmp_path: Path, preparation: Preparation, query: str, advice: str
) -> None:
    path = tmp_path / "boots" / artifact.FILE_NAME
    metadata = make_metadata("boots").model_copy(update={"preparation": preparation})
    artifact.save(path, make_model(), metadata, PixelStatistics.measure(boots()))
    image = ankle_boot() if preparation.invert else ImageOps.invert(ankle_boot())
    transport = httpx.ASGITransport(create_app(Settings(models_dir=tmp_path)))

    async with httpx.AsyncClient(transport=transport, base_url="http://service") as client:
        answer = await predict(client, png(image), f"/predict{query}")

    assert answer["warnings"] == [{"code": "inverted", "detail": f"The image looks inverted: dark on light.{advice}"}]


async def test_each_odd_image_of_a_batch_is_warned_of(guarded: httpx.AsyncClient) -> None:
    files = [("files", png(image)) for image in (ankle_boot(), noise(), Image.new("L", (28, 28)))]

    predictions = (await guarded.post("/predict/batch", files=files)).json()["predictions"]

    codes = [[warning["code"] for warning in prediction.get("warnings", ())] for prediction in predictions]
    assert codes == [[], ["unusual"], ["blank"]]


async def test_odd_images_are_counted_and_their_share_shown(guarded: httpx.AsyncClient) -> None:
    for image in (ankle_boot(), ankle_boot(), ankle_boot(), noise()):
        await predict(guarded, png(image))

    live = (await guarded.get("/metrics")).json()["live"]

    assert live["unusual_inputs"] == {"unusual": 1}
    assert live["unusual_share"] == 0.25
    text = (await guarded.get("/metrics", headers={"Accept": "text/plain"})).text
    version = (await guarded.get("/models/boots")).json()["version"]
    assert f'softmax_unusual_inputs_total{{model="boots",version="{version}",warning="unusual"}} 1.0' in text
    assert f'softmax_checked_inputs_total{{model="boots",version="{version}"}} 4.0' in text


async def test_the_share_is_of_the_images_that_are_looked_at(guarded: httpx.AsyncClient) -> None:
    tensor = {"name": "images", "datatype": "UINT8", "shape": [1, 784], "data": [0] * 784}
    await predict(guarded, png(noise()))
    await guarded.post("/predict/batch", files=[("files", png()), ("files", b"no image")])

    answer = await guarded.post("/v2/models/boots/infer", json={"inputs": [tensor]})

    assert answer.status_code == 200
    live = (await guarded.get("/metrics")).json()["live"]
    assert sum(live["predictions"].values()) == 3
    assert live["unusual_share"] == 0.5


async def test_a_model_without_pixel_statistics_warns_of_nothing(client: httpx.AsyncClient) -> None:
    assert "warnings" not in await predict(client, png(noise()))


def images(name: str) -> Tensor:
    """uint8 [N, 784]."""
    return torch.frombuffer(bytearray(gzip.decompress((RAW / name).read_bytes())[16:]), dtype=torch.uint8).view(-1, 784)


@pytest.mark.skipif(not RAW.exists(), reason=f"needs Fashion-MNIST in {RAW}: python -m training fit downloads it")
def test_inverted_test_images_of_fashion_mnist_are_flagged_and_genuine_ones_are_not() -> None:
    statistics = PixelStatistics.measure(images("train-images-idx3-ubyte.gz"))
    test = images("t10k-images-idx3-ubyte.gz")

    genuine, inverted = (
        [statistics.warning(bytes(image.tolist()), image.float()) for image in batch] for batch in (test, 255 - test)
    )

    assert sum(warning is not None for warning in genuine) / len(test) <= 0.02  # measured: 0.0045
    assert sum(warning is not None for warning in inverted) / len(test) >= 0.95  # measured: 1.0
