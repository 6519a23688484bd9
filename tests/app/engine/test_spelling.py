"""Misspelt names are refused with the nearest known one, wherever a client may write names."""

import os
import subprocess
import sys

import httpx
import pytest

from app.engine.problems import BadRequestError
from app.engine.spelling import check_names, did_you_mean
from tests import drawings
from tests.conftest import REPOSITORY


def test_known_names_pass_in_any_number_and_order() -> None:
    check_names("color", ["red", "blue", "red"], {"blue", "red"})


@pytest.mark.parametrize(
    ("name", "known", "words"),
    [
        ("modle", ["model", "resize"], " Did you mean 'model'?"),
        ("zzz", ["model", "resize"], " Known: model, resize."),
        ("zzz", [], ""),
        ("m" * 100_000, ["model"], " Known: model."),
    ],
)
def test_the_nearest_name_is_named_else_all_are(name: str, known: list[str], words: str) -> None:
    assert did_you_mean(name, known) == words


def test_a_long_name_is_not_repeated_whole() -> None:
    with pytest.raises(BadRequestError) as refusal:
        check_names("color", ["x" * 100_000], ["red"])

    assert len(str(refusal.value)) < 200


@pytest.mark.parametrize("path", ["/predict", "/predict/batch", "/explain", "/feedback"])
async def test_an_unknown_query_parameter_of_a_direct_route_is_refused(client: httpx.AsyncClient, path: str) -> None:
    answer = await client.post(f"{path}?modle=parts", files={"file": drawings.png()})

    assert answer.status_code == 400
    assert answer.json()["detail"] == "There is no query parameter 'modle'. Did you mean 'model'?"


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("/review?limti=3", "Did you mean 'limit'?"),
        ("/models?model=parts", "There is no query parameter 'model'."),
        ("/models/fashion-mnist/templates?verison=1", "Did you mean 'version'?"),
    ],
)
async def test_an_unknown_query_parameter_of_another_route_is_refused(
    client: httpx.AsyncClient, path: str, words: str
) -> None:
    answer = await client.get(path)

    assert answer.status_code == 400
    assert words in answer.json()["detail"]


@pytest.mark.parametrize("path", ["/livez?verbose", "/readyz?n=1", "/?model=fashion-mnist"])
async def test_probes_and_the_page_take_any_query(client: httpx.AsyncClient, path: str) -> None:
    assert (await client.get(path)).status_code == 200


@pytest.mark.parametrize(
    ("path", "form", "words"),
    [
        ("/predict", {"flie": "x"}, "There is no part of the form 'flie'. Did you mean 'file'?"),
        ("/predict", {"resize": "true"}, "which is a query parameter: ask for ?resize=…"),
        ("/feedback", {"label": "Bag", "lable": "Bag"}, "There is no part of the form 'lable'. Did you mean 'label'?"),
    ],
)
async def test_an_unknown_part_of_a_form_is_refused(
    client: httpx.AsyncClient, path: str, form: dict[str, str], words: str
) -> None:
    answer = await client.post(path, files={"file": drawings.png()}, data=form)

    assert answer.status_code == 400
    assert words in answer.json()["detail"]


def test_the_service_does_not_start_with_an_unknown_setting() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "app"],
        cwd=REPOSITORY,
        env=os.environ | {"SOFTMAX_API_KEY": "a-key-that-nobody-would-ask-for"},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 2
    assert "SOFTMAX_API_KEY: there is no such setting. Did you mean SOFTMAX_API_KEYS?" in done.stderr
    assert "a-key" not in done.stderr
