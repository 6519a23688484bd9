"""What endpoints work with: whether it is ready, which model answers, and what is noted and shed."""

from pathlib import Path

import pytest

from app.engine.calls import Call
from app.main import Service, create_app
from app.parts import Parts
from app.serving.errors import NoSuchModelError, NotReadyError
from app.settings import Settings
from tests.app.rollout.conftest import save_model

NAME = "fashion-mnist"
IMAGE = bytes([255]) * 400 + bytes(384)


@pytest.fixture
def parts(app: Service) -> Parts:
    made: Parts = app.state.parts
    return made


def call_of(path: str = "/predict") -> Call:
    call = Call(path, b"", {}, b"id-7")
    call.answered("POST", path, 200)
    return call


def test_who_has_its_model_is_ready_until_it_is_about_to_stop(parts: Parts) -> None:
    parts.check_ready()
    parts.draining.begun = True

    with pytest.raises(NotReadyError, match="about to stop"):
        parts.check_ready()


def test_without_its_model_it_is_not_ready(tmp_path: Path) -> None:
    parts: Parts = create_app(Settings(models_dir=tmp_path)).state.parts

    with pytest.raises(NotReadyError):
        parts.check_ready()


def test_the_model_that_answers_stands_in_the_line_of_its_call(parts: Parts) -> None:
    call = call_of()

    model = parts.model(call, NAME)

    assert call.notes == {"model": NAME, "version": model.version}


@pytest.mark.parametrize(("name", "version"), [("none", None), (NAME, "0" * 12)])
def test_a_model_that_there_is_not_stands_in_no_line(parts: Parts, name: str, version: str | None) -> None:
    call = call_of()

    with pytest.raises(NoSuchModelError):
        parts.model(call, name, version)
    assert call.notes == {}


def test_what_was_answered_is_counted_logged_and_settled(parts: Parts, capfd: pytest.CaptureFixture[str]) -> None:
    model = parts.models.get()
    parts.ledger.note(model, model.predict_batch([IMAGE]), [IMAGE])

    with parts.request_log.running():
        parts.note([call_of("/predict"), call_of("/explain")])

    live = parts.telemetry.live_figures(NAME)
    assert (live["requests"], sum(live["predictions"].values())) == (2, 1)
    lines = [line for line in capfd.readouterr().err.splitlines() if "id-7" in line]
    assert ["/predict" in lines[0], "/explain" in lines[1]] == [True, True]


def test_what_is_shed_is_counted_and_lets_the_challenger_rest(settings: Settings) -> None:
    save_model(settings.models_dir / NAME / "challenger", seed=2)
    parts: Parts = create_app(settings).state.parts
    champion = parts.models.get()
    before = parts.shadow.challenger_of(champion)

    parts.shed("overload", 3)

    assert before is not None
    assert parts.shadow.challenger_of(champion) is None
    assert (
        'softmax_refused_requests_total{reason="overload"} 3.0' in parts.telemetry.exposition("text/plain")[0].decode()
    )
