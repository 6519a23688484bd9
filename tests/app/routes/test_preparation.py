"""Models whose training images were resized, inverted or centered are asked with such images, without being told."""

import io
from itertools import chain
from pathlib import Path

import httpx
import pytest
from PIL import Image, ImageOps

from app.classifier import artifact
from app.classifier.preparation import Preparation
from app.main import create_app
from app.settings import Settings
from tests import drawings
from tests.conftest import make_metadata, make_model

PREPARATION = Preparation(resize=True, invert=True, center="mass")


@pytest.fixture
def models_dir(tmp_path: Path) -> Path:
    """Two models, of which one has a preparation of its own."""
    plain = make_metadata()
    artifact.save(tmp_path / "fashion-mnist" / artifact.FILE_NAME, make_model(), plain)
    prepared = plain.model_copy(update={"name": "photographs", "preparation": PREPARATION})
    artifact.save(tmp_path / "photographs" / artifact.FILE_NAME, make_model(), prepared)
    return tmp_path


def photograph(width: int = 120, height: int = 90) -> bytes:
    """Dark on light, of another size."""
    picture = ImageOps.invert(Image.open(io.BytesIO(drawings.png())).convert("L")).resize((width, height))
    file = io.BytesIO()
    picture.save(file, "PNG")
    return file.getvalue()


async def ask(client: httpx.AsyncClient, path: str, query: str) -> httpx.Response:
    part = "files" if path.endswith("batch") else "file"
    return await client.post(f"{path}?pixels=true&{query}", files={part: ("shoe.png", photograph(), "image/png")})


async def test_an_upload_is_seen_as_training_saw_its_images(models_dir: Path) -> None:
    expected = PREPARATION.read(photograph())
    transport = httpx.ASGITransport(create_app(Settings(models_dir=models_dir)))

    async with httpx.AsyncClient(transport=transport, base_url="http://service") as client:
        single = (await ask(client, "/predict", "model=photographs")).json()
        explained = (await ask(client, "/explain", "model=photographs")).json()
        [batched] = (await ask(client, "/predict/batch", "model=photographs")).json()["predictions"]
        described = (await client.get("/v2/models/photographs")).json()["parameters"]

    for answer in (single, explained, batched):
        assert bytes(chain.from_iterable(answer["pixels"])) == expected
    assert described == {"resize": True, "invert": True, "center": "mass"}


async def test_what_the_caller_says_wins(models_dir: Path) -> None:
    transport = httpx.ASGITransport(create_app(Settings(models_dir=models_dir)))

    async with httpx.AsyncClient(transport=transport, base_url="http://service") as client:
        upright = await ask(client, "/predict", "model=photographs&invert=false")
        unfitted = await ask(client, "/predict", "model=photographs&resize=false")
        plain = await ask(client, "/predict", "")

    assert bytes(chain.from_iterable(upright.json()["pixels"])) == PREPARATION.read(photograph(), invert=False)
    assert (unfitted.status_code, plain.status_code) == (422, 422)
    assert "resize=true" in plain.json()["detail"]


async def test_only_the_likeliest_labels_are_returned_where_that_is_asked_for(client: httpx.AsyncClient) -> None:
    for path in ("/predict", "/explain", "/predict/batch"):
        part = "files" if path.endswith("batch") else "file"
        form = {part: ("boot.png", drawings.png(), "image/png")}
        whole, top = [(await client.post(path + query, files=form)).json() for query in ("", "?top_k=3")]
        if part == "files":
            [whole], [top] = whole["predictions"], top["predictions"]

        likeliest = sorted(whole["probabilities"].items(), key=lambda pair: -pair[1])[:3]
        assert list(top["probabilities"].items()) == likeliest
        assert top["left_out"]["labels"] == 7
        assert top["left_out"]["probability"] == pytest.approx(1 - sum(value for _, value in likeliest))
        assert (top["label"], top["class_id"]) == (whole["label"], whole["class_id"])
        assert "left_out" not in whole


async def test_more_labels_than_there_are_leave_nothing_out(client: httpx.AsyncClient) -> None:
    answer = await client.post("/predict?top_k=99", files={"file": drawings.png()})

    assert len(answer.json()["probabilities"]) == 10
    assert "left_out" not in answer.json()
