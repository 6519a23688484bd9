"""`POST /predict/batch`: many images, each with its own answer."""

from pathlib import Path

import httpx
import pytest
from PIL import Image

from app.main import create_app
from app.settings import Settings
from tests import drawings


def form(*contents: bytes) -> list[tuple[str, tuple[str, bytes]]]:
    return [("files", (f"{number}.png", content)) for number, content in enumerate(contents)]


async def test_each_image_is_answered_as_it_is_alone_and_in_order(client: httpx.AsyncClient) -> None:
    contents = [drawings.png(drawings.noise(seed)) for seed in range(20)]
    alone = [(await client.post("/predict", files={"file": content})).json() for content in contents]

    answer = (await client.post("/predict/batch", files=form(*contents))).json()

    for one, among_many in zip(alone, answer["predictions"], strict=True):
        assert among_many["label"] == one["label"]
        assert among_many["probabilities"] == pytest.approx(one["probabilities"], abs=1e-6)
        assert among_many["model"] == answer["model"]


async def test_one_bad_image_does_not_fail_the_others(client: httpx.AsyncClient) -> None:
    answer = await client.post("/predict/batch", files=form(drawings.png(), b"text", drawings.png(drawings.noise())))

    first, second, third = answer.json()["predictions"]
    assert answer.status_code == 200
    assert "probabilities" in first
    assert (second["status"], second["title"]) == (415, "Not an image")
    assert "1.png" in second["detail"]
    assert "probabilities" in third


async def test_a_batch_of_bad_images_is_a_batch_of_problems(client: httpx.AsyncClient) -> None:
    answer = await client.post("/predict/batch", files=form(b"text", drawings.png()[:60], b"", b"x" * (2**20 + 1)))

    assert [problem["status"] for problem in answer.json()["predictions"]] == [415, 422, 400, 413]


async def test_the_pixels_are_returned_on_request(client: httpx.AsyncClient) -> None:
    answer = await client.post("/predict/batch?pixels=true", files=form(drawings.png(), drawings.png()))

    assert all(len(prediction["pixels"]) == 28 for prediction in answer.json()["predictions"])


async def test_predictions_are_counted_one_by_one(client: httpx.AsyncClient) -> None:
    await client.post("/predict/batch", files=form(*[drawings.png()] * 7))

    live = (await client.get("/metrics")).json()["live"]

    assert sum(live["predictions"].values()) == 7


@pytest.mark.parametrize(
    ("contents", "status", "words"),
    [
        ([], 415, "send multipart/form-data"),
        ([b"x"] * 4, 413, "4 files; the limit is 3"),
        ([b"x" * 900] * 3, 413, "the limit is 2,000"),
    ],
)
async def test_a_batch_beyond_its_limits_is_refused(
    models_dir: Path, contents: list[bytes], status: int, words: str
) -> None:
    limits = {"max_image_bytes": 1000, "max_batch_bytes": 2000, "max_batch_images": 3}
    app = create_app(Settings.model_validate({"models_dir": models_dir, **limits}))

    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://service") as client:
        answer = await client.post("/predict/batch", files=form(*contents))

    assert answer.status_code == status
    assert words in answer.json()["detail"]


async def test_a_form_without_files_is_refused(client: httpx.AsyncClient) -> None:
    answer = await client.post("/predict/batch", files={"file": drawings.png()})

    assert answer.status_code == 400
    assert "no part named 'files'; it has 'file'" in answer.json()["detail"]


async def test_the_images_of_a_batch_share_the_pixels_that_are_resized(models_dir: Path) -> None:
    app = create_app(Settings(models_dir=models_dir, max_batch_pixels=20_000))
    photo, small = drawings.png(Image.new("L", (100, 100))), drawings.png()

    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://service") as client:
        pair = await client.post("/predict/batch?resize=true", files=[("files", photo), ("files", small)])
        three = await client.post("/predict/batch?resize=true", files=[("files", photo)] * 2 + [("files", small)])

    assert [answer.get("status") for answer in pair.json()["predictions"]] == [None, None]
    assert [answer.get("status") for answer in three.json()["predictions"]] == [413, 413, None]
    assert "more than the 6,666 that are decoded" in three.json()["predictions"][0]["detail"]
