"""`tritonclient` loads and unloads models, with an admin's key."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from tritonclient import http as triton
from tritonclient.utils import InferenceServerException

from app.serving.live_models import LiveModels
from tests.conftest import running_server

NAME = "fashion-mnist"
ADMIN = {"X-API-Key": "0123456789abcdef-alice"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("served")


@pytest.fixture(scope="module")
def url(folder: Path) -> Iterator[str]:
    keys = {"SOFTMAX_ADMIN_KEYS": f"alice:{ADMIN['X-API-Key']}", "SOFTMAX_MODELS_POLL_SECONDS": "0.1"}
    with running_server(folder, **keys) as url:
        yield url


@pytest.fixture
def client(url: str, folder: Path, models_dir: Path) -> Iterator[triton.InferenceServerClient]:
    """A client of a server that has the model, loaded."""
    shutil.copytree(models_dir, folder, dirs_exist_ok=True)
    client = triton.InferenceServerClient(url.removeprefix("http://"))
    client.load_model(NAME, headers=ADMIN)
    yield client
    client.close()


def test_an_unloaded_model_is_gone_until_it_is_loaded(client: triton.InferenceServerClient, folder: Path) -> None:
    assert client.is_model_ready(NAME)

    client.unload_model(NAME, headers=ADMIN)
    assert not client.is_model_ready(NAME)
    assert client.get_model_repository_index() == []
    assert list(LiveModels(folder)) == []  # as after a restart

    client.load_model(NAME, headers=ADMIN)
    assert client.is_model_ready(NAME)


@pytest.mark.parametrize("headers", [None, {"X-API-Key": "0123456789abcdef-stranger"}])
def test_it_takes_an_admins_key(client: triton.InferenceServerClient, headers: dict[str, str] | None) -> None:
    with pytest.raises(InferenceServerException, match=r"[Kk]ey"):
        client.unload_model(NAME, headers=headers)

    assert client.is_model_ready(NAME)


def test_an_unknown_model_and_one_from_the_request_are_refused(client: triton.InferenceServerClient) -> None:
    with pytest.raises(InferenceServerException, match="There is no model 'digits'"):
        client.load_model("digits", headers=ADMIN)
    with pytest.raises(InferenceServerException, match="'config' is not supported"):
        client.load_model(NAME, headers=ADMIN, config="{}")


def test_loading_a_damaged_file_says_what_is_wrong_with_it(client: triton.InferenceServerClient, folder: Path) -> None:
    shutil.copytree(folder / NAME, folder / "half")
    (folder / "half" / "model.safetensors").write_bytes(b"half")

    with pytest.raises(InferenceServerException, match="it is damaged or not a softmax-serving model"):
        client.load_model("half", headers=ADMIN)

    shutil.rmtree(folder / "half")
