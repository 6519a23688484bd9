"""`POST /predict`: what it answers, and how it refuses."""

import math

import httpx
import pytest
import torch
from PIL import Image

from app.classifier.softmax import to_inputs
from tests import drawings
from tests.conftest import LABELS, make_model


async def post(client: httpx.AsyncClient, content: bytes, query: str = "", name: str = "boot.png") -> httpx.Response:
    return await client.post(f"/predict{query}", files={"file": (name, content)})


def answer_in(response: httpx.Response) -> dict[str, object]:
    """All but the id, which is never the same."""
    return {name: value for name, value in response.json().items() if name != "id"}


async def test_each_answer_has_an_id_of_its_own(client: httpx.AsyncClient) -> None:
    ids = {(await post(client, drawings.png())).json()["id"] for _ in range(3)}
    files = [("files", drawings.png())] * 3
    ids |= {answer["id"] for answer in (await client.post("/predict/batch", files=files)).json()["predictions"]}

    assert len(ids) == 6


async def test_a_posted_image_is_answered_with_the_models_probabilities(client: httpx.AsyncClient) -> None:
    image = drawings.ankle_boot()
    pixels = torch.frombuffer(bytearray(image.tobytes()), dtype=torch.uint8)
    [expected] = make_model().probabilities(to_inputs(pixels)).tolist()

    answer = (await post(client, drawings.png(image))).json()

    assert list(answer["probabilities"]) == list(LABELS)
    assert list(answer["probabilities"].values()) == pytest.approx(expected, abs=1e-6)
    assert math.isclose(sum(answer["probabilities"].values()), 1, abs_tol=1e-6)
    assert answer["label"] == max(answer["probabilities"], key=answer["probabilities"].__getitem__)
    assert answer["class_id"] == LABELS.index(answer["label"])
    assert answer["confidence"] == max(answer["probabilities"].values())
    assert answer["model"]["name"] == "fashion-mnist"


async def test_a_raw_image_body_is_answered_like_a_form(client: httpx.AsyncClient) -> None:
    headers = {"Content-Type": "image/png"}

    raw = await client.post("/predict", content=drawings.png(), headers=headers)

    assert answer_in(raw) == answer_in(await post(client, drawings.png()))


async def test_the_pixels_that_the_model_saw_are_returned_on_request(client: httpx.AsyncClient) -> None:
    image = drawings.noise()

    answer = (await post(client, drawings.png(image), "?pixels=true")).json()

    assert bytes(value for row in answer["pixels"] for value in row) == image.tobytes()
    assert [len(row) for row in answer["pixels"]] == [28] * 28


async def test_an_inverted_drawing_is_answered_like_the_original(client: httpx.AsyncClient) -> None:
    image = drawings.ankle_boot()
    dark_on_light = image.point(lambda value: 255 - value)

    answer = await post(client, drawings.png(dark_on_light), "?invert=true")

    assert answer_in(answer) == answer_in(await post(client, drawings.png(image)))


async def test_a_larger_image_is_classified_when_resize_is_asked_for(client: httpx.AsyncClient) -> None:
    image = drawings.ankle_boot()
    larger = image.resize((280, 280), Image.Resampling.NEAREST)

    answer = await post(client, drawings.png(larger), "?resize=true")

    assert answer_in(answer) == answer_in(await post(client, drawings.png(image)))


@pytest.mark.parametrize(
    ("name", "content", "query", "status", "words"),
    [
        ("notes.txt", b"not an image at all", "", 415, ["notes.txt", "PNG", "TIFF"]),
        ("empty.png", b"", "", 400, ["empty.png", "empty"]),
        ("cut.png", drawings.png(drawings.noise())[:200], "", 422, ["cut.png", "PNG"]),
        ("photo.png", drawings.png(Image.new("L", (640, 480))), "", 422, ["photo.png", "640×480", "resize=true"]),
        ("huge.png", drawings.png(Image.new("1", (5000, 5000))), "?resize=true", 413, ["huge.png", "4,000,000"]),
        ("boot.png", drawings.png(), "?model=shoes", 404, ["'shoes'", "fashion-mnist"]),
        ("boot.png", drawings.png(), "?resize=maybe", 400, ["resize", "boolean"]),
        ("large.png", b"\0" * (2**20 + 1), "", 413, ["large.png", "1,048,577", "1,048,576"]),
        ("larger.png", b"\0" * (2**21), "", 413, ["1,064,960"]),
    ],
)
async def test_bad_input_is_refused_in_words(
    client: httpx.AsyncClient, name: str, content: bytes, query: str, status: int, words: list[str]
) -> None:
    answer = await post(client, content, query, name)

    problem = answer.json()
    assert (answer.status_code, problem["status"]) == (status, status)
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert [word for word in words if word not in problem["detail"]] == []
    assert problem["request_id"] == answer.headers["X-Request-ID"]


async def test_an_animation_is_refused(client: httpx.AsyncClient) -> None:
    frames = [drawings.ankle_boot(), drawings.noise()]
    animation = drawings.encode(frames[0], "GIF", save_all=True, append_images=frames[1:])

    answer = await post(client, animation, name="moving.gif")

    assert answer.status_code == 422
    assert "moving.gif has several frames" in answer.json()["detail"]


@pytest.mark.parametrize(
    ("content_type", "body", "status", "words"),
    [
        ("multipart/form-data; boundary=b", b"--b--\r\n", 400, "no part named 'file'"),
        ("multipart/form-data; boundary=b", b"no boundary in here", 400, "is not in the body"),
        ("multipart/form-data", b"", 400, "names no boundary"),
        ("application/json", b"{}", 415, "application/json"),
        (None, b"", 415, "is missing"),
        ("image/png", b"", 400, "empty"),
    ],
)
async def test_a_body_that_is_no_image_is_refused(
    client: httpx.AsyncClient, content_type: str | None, body: bytes, status: int, words: str
) -> None:
    headers = {"Content-Type": content_type} if content_type else {}

    answer = await client.post("/predict", content=body, headers=headers)

    assert answer.status_code == status
    assert words in answer.json()["detail"]


async def test_two_files_are_one_too_many(client: httpx.AsyncClient) -> None:
    files = [("file", ("a.png", drawings.png())), ("file", ("b.png", drawings.png()))]

    answer = await client.post("/predict", files=files)

    assert answer.status_code == 400
    assert "2 parts named 'file'" in answer.json()["detail"]


async def test_another_method_is_told_the_right_one(client: httpx.AsyncClient) -> None:
    answer = await client.get("/predict")

    assert (answer.status_code, answer.headers["Allow"]) == (405, "POST")
    assert answer.headers["Content-Type"] == "application/problem+json"


async def test_a_request_id_is_taken_over_if_it_is_clean(client: httpx.AsyncClient) -> None:
    taken = await client.get("/livez", headers={"X-Request-ID": "order-66"})
    replaced = await client.get("/livez", headers={"X-Request-ID": "two words"})

    assert taken.headers["X-Request-ID"] == "order-66"
    assert replaced.headers["X-Request-ID"] != "two words"


async def test_of_other_fields_sixteen_are_read_and_refused_by_name(client: httpx.AsyncClient) -> None:
    files = {"file": drawings.png()}

    most, more = [
        await client.post("/predict", files=files, data={f"field{number}": "x" for number in range(count)})
        for count in (16, 17)
    ]

    assert (most.status_code, most.json()["title"]) == (400, "Unreadable request")
    assert "'field0'" in most.json()["detail"]
    assert (more.status_code, more.json()["title"]) == (413, "Body too large")


async def test_a_media_type_may_be_written_in_any_case(client: httpx.AsyncClient) -> None:
    answer = await client.post("/predict", content=drawings.png(), headers={"Content-Type": "Image/PNG"})

    assert answer.status_code == 200


@pytest.mark.parametrize("length", ["2000000", "9" * 5000])
async def test_a_declared_length_beyond_the_limit_is_refused_however_long(
    client: httpx.AsyncClient, length: str
) -> None:
    headers = {"Content-Type": "image/png", "Content-Length": length}

    answer = await client.post("/predict", content=drawings.png(), headers=headers)

    assert answer.status_code == 413
    assert "the limit is" in answer.json()["detail"]
