"""`?coverage=` adds the set of labels that holds the truth that likely."""

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
import torch

from app.classifier import artifact
from app.classifier.conformal import ConformalScores
from app.main import create_app
from app.settings import Settings
from tests.conftest import make_metadata, make_model
from tests.drawings import ankle_boot, noise, png


@pytest.fixture
async def calibrated(tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    """A client of a model that found its 99 validation images' classes 1 % to 99 % likely."""
    conformal = ConformalScores(torch.arange(1, 100) / 100)
    artifact.save(tmp_path / "m" / artifact.FILE_NAME, make_model(), make_metadata("m"), conformal=conformal)
    transport = httpx.ASGITransport(create_app(Settings(models_dir=tmp_path)))
    async with httpx.AsyncClient(transport=transport, base_url="http://service") as client:
        yield client


@pytest.mark.parametrize("path", ["/predict", "/explain"])
async def test_the_set_has_the_labels_above_the_threshold_likeliest_first(
    calibrated: httpx.AsyncClient, path: str
) -> None:
    answer = (await calibrated.post(f"{path}?coverage=0.95", files={"file": png(noise())})).json()

    ranked = sorted(answer["probabilities"].items(), key=lambda pair: -pair[1])
    assert answer["coverage"] == 0.95
    assert answer["prediction_set"] == [
        label for rank, (label, probability) in enumerate(ranked) if rank == 0 or probability >= 0.05
    ]


async def test_each_image_of_a_batch_has_its_own(calibrated: httpx.AsyncClient) -> None:
    images = [png(ankle_boot()), png(noise())]
    alone = [
        (await calibrated.post("/predict?coverage=0.99", files={"file": image})).json()["prediction_set"]
        for image in images
    ]

    answer = await calibrated.post("/predict/batch?coverage=0.99", files=[("files", image) for image in images])

    assert [prediction["prediction_set"] for prediction in answer.json()["predictions"]] == alone


async def test_without_the_option_there_is_no_set(calibrated: httpx.AsyncClient) -> None:
    answer = (await calibrated.post("/predict", files={"file": png()})).json()

    assert answer.keys().isdisjoint({"coverage", "prediction_set"})


@pytest.mark.parametrize("value", ["0.4", "1", "95", "nan", "much", ""])
async def test_a_coverage_out_of_range_is_refused(calibrated: httpx.AsyncClient, value: str) -> None:
    answer = await calibrated.post(f"/predict?coverage={value}", files={"file": png()})

    assert answer.status_code == 400
    assert "coverage" in answer.json()["detail"]


@pytest.mark.parametrize(("path", "field"), [("/predict", "file"), ("/predict/batch", "files")])
async def test_a_model_without_scores_says_so(client: httpx.AsyncClient, path: str, field: str) -> None:
    answer = await client.post(f"{path}?coverage=0.95", files={field: png()})

    assert answer.status_code == 422
    assert answer.json()["type"] == "urn:softmax-serving:uncalibrated-model"
    assert "fashion-mnist" in answer.json()["detail"]
