"""`POST /explain` and `GET /models/{name}/templates` over HTTP."""

import io

import httpx
import pytest
from PIL import Image

from app.engine.calls import Call
from app.engine.routes import DirectRoute
from app.routes.explain import router
from tests.conftest import LABELS
from tests.drawings import png


async def explain(client: httpx.AsyncClient, **query: str) -> httpx.Response:
    return await client.post("/explain", files={"file": png()}, params=query)


async def test_the_prediction_comes_with_every_logit_taken_apart(client: httpx.AsyncClient) -> None:
    prediction = (await client.post("/predict", files={"file": png()})).json()

    answer = (await explain(client)).json()

    assert answer.items() >= {name: value for name, value in prediction.items() if name != "id"}.items()
    assert [entry["label"] for entry in answer["classes"]] == list(LABELS)
    for entry in answer["classes"]:
        assert entry["logit"] == pytest.approx(entry["bias"] + entry["contribution"], abs=1e-9)
    winner = next(entry for entry in answer["classes"] if entry["label"] == answer["label"])
    assert sum(map(sum, answer["contributions"])) == pytest.approx(winner["contribution"], abs=1e-5)


async def test_the_difference_adds_up_to_the_lead_over_the_rival(client: httpx.AsyncClient) -> None:
    answer = (await explain(client)).json()

    sums = {entry["label"]: entry["contribution"] for entry in answer["classes"]}
    lead = sums[answer["label"]] - sums[answer["rival"]]
    assert sum(map(sum, answer["difference"])) == pytest.approx(lead, abs=1e-5)
    assert [len(row) for row in answer["difference"]] == [28] * 28


async def test_the_counterfactual_posted_back_gets_the_other_answer(client: httpx.AsyncClient) -> None:
    counterfactual = (await explain(client)).json()["counterfactual"]
    image = Image.frombytes("L", (28, 28), bytes(value for row in counterfactual["pixels"] for value in row))
    file = io.BytesIO()
    image.save(file, "PNG")

    answer = (await client.post("/predict", files={"file": file.getvalue()})).json()

    assert answer["label"] == counterfactual["label"]
    assert answer["confidence"] == pytest.approx(counterfactual["confidence"], abs=1e-6)


async def test_against_names_the_rival(client: httpx.AsyncClient) -> None:
    label = (await explain(client)).json()["label"]
    rival = next(other for other in reversed(LABELS) if other != label)

    answer = (await explain(client, against=rival)).json()

    assert answer["rival"] == rival
    assert answer["border"]["l2"]["label"] == rival
    assert answer["border"]["linf"]["label"] == rival


async def test_an_unknown_label_is_refused_with_the_list(client: httpx.AsyncClient) -> None:
    answer = await explain(client, against="Hat")

    assert answer.status_code == 422
    assert "'Hat'" in answer.json()["detail"]
    assert all(label in answer.json()["detail"] for label in LABELS)


@pytest.mark.parametrize(
    ("accept", "light"), [(b"*/*", True), (b"application/json, image/png;q=0.5", True), (b"image/png", False)]
)
def test_pictures_are_drawn_beside_the_event_loop(accept: bytes, light: bool) -> None:  # noqa: FBT001
    [route] = router.routes
    assert isinstance(route, DirectRoute)

    call = Call("/explain", b"", {b"accept": accept}, b"id")

    assert route.is_light(call, 1000, {}) == light


async def test_a_client_that_asks_for_png_gets_the_picture(client: httpx.AsyncClient) -> None:
    answer = await client.post("/explain", files={"file": png()}, headers={"Accept": "image/png"})

    assert answer.headers["content-type"] == "image/png"
    assert Image.open(io.BytesIO(answer.content)).size == (1544, 604)


async def test_the_pixels_that_the_model_saw_come_on_demand(client: httpx.AsyncClient) -> None:
    answer = (await explain(client, pixels="true")).json()

    assert "pixels" not in (await explain(client)).json()
    assert [len(row) for row in answer["pixels"]] == [28] * 28


async def test_templates_are_the_weights_of_each_class(client: httpx.AsyncClient) -> None:
    answer = (await client.get("/models/fashion-mnist/templates")).json()

    assert list(answer["weights"]) == list(answer["bias"]) == list(LABELS)
    assert all(len(rows) == 28 and all(len(row) == 28 for row in rows) for rows in answer["weights"].values())
