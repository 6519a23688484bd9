"""`python -m app predict` and `explain`: the answers of the service, without it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
from PIL import ImageOps
from typer.testing import CliRunner, Result

from app.classifier import artifact
from app.classifier.pixel_statistics import PixelStatistics
from app.terminal.predictions import cli
from tests.app.classifier.test_pixel_statistics import boots
from tests.conftest import REPOSITORY, make_metadata, make_model
from tests.drawings import ankle_boot, png


@pytest.fixture
def boot(tmp_path: Path) -> Path:
    path = tmp_path / "boot [1].png"
    path.write_bytes(png())
    return path


def run(*arguments: object) -> Result:
    return CliRunner(env={"COLUMNS": "300"}).invoke(cli, [str(argument) for argument in arguments])


async def test_json_is_what_the_service_answers(client: httpx.AsyncClient, boot: Path, models_dir: Path) -> None:
    served = (await client.post("/predict", files={"file": png()})).json()

    result = run("predict", boot, "--json", "--models-dir", models_dir)

    assert result.exit_code == 0
    del served["id"]  # of what is recorded
    assert json.loads(result.stdout) == {"file": str(boot), **served}


async def test_the_explanation_is_what_the_service_answers(
    client: httpx.AsyncClient, boot: Path, models_dir: Path
) -> None:
    served = (await client.post("/explain?against=Bag", files={"file": png()})).json()

    result = run("explain", boot, "--json", "--against", "Bag", "--models-dir", models_dir)

    assert json.loads(result.stdout) == {"file": str(boot), **served}


@pytest.mark.parametrize("command", ["predict", "explain"])
def test_the_table_shows_each_file_and_its_label(command: str, boot: Path, models_dir: Path) -> None:
    label = json.loads(run("predict", boot, "--json", "--models-dir", models_dir).stdout)["label"]

    result = run(command, boot, "--models-dir", models_dir)

    assert result.exit_code == 0
    assert label in result.stdout
    assert str(boot) in result.stdout


@pytest.mark.parametrize("command", ["predict", "explain"])
def test_a_long_file_name_stays_whole_on_a_narrow_terminal(command: str, tmp_path: Path, models_dir: Path) -> None:
    boot = tmp_path / ("a photograph of boots " * 6 + ".png")
    boot.write_bytes(png())

    result = CliRunner(env={"COLUMNS": "80"}).invoke(cli, [command, str(boot), "--models-dir", str(models_dir)])

    assert str(boot) in result.stdout


def test_a_file_that_cannot_be_read_is_named_and_the_others_are_answered(boot: Path, models_dir: Path) -> None:
    text = boot.parent / "notes.txt"
    text.write_text("no image")

    result = run("predict", text, boot.parent / "missing.png", boot, "--json", "--models-dir", models_dir)

    assert result.exit_code == 2
    assert "notes.txt is not an image" in result.stderr
    assert "missing.png can't be read: No such file or directory." in result.stderr
    assert json.loads(result.stdout)["file"] == str(boot)


def test_resize_and_invert_mean_what_they_mean_over_http(boot: Path, models_dir: Path) -> None:
    boot.write_bytes(png(ankle_boot().resize((56, 56), 0)))

    refused = run("predict", boot, "--models-dir", models_dir)
    assert refused.exit_code == 2
    assert refused.stderr == f"{boot} is 56×56 pixels; the model takes 28×28. Ask for --resize.\n"
    assert run("predict", boot, "--resize", "--models-dir", models_dir).exit_code == 0
    plain, inverted = (
        json.loads(run("predict", boot, "--resize", "--json", "--models-dir", models_dir, *flags).stdout)
        for flags in ((), ("--invert",))
    )
    assert plain["probabilities"] != inverted["probabilities"]


def test_a_warning_names_the_option_of_the_command_line(boot: Path, tmp_path: Path) -> None:
    path = tmp_path / "models" / "boots" / artifact.FILE_NAME
    artifact.save(path, make_model(), make_metadata("boots"), PixelStatistics.measure(boots()))
    boot.write_bytes(png(ImageOps.invert(ankle_boot())))

    result = run("predict", boot, "--models-dir", path.parent.parent)

    assert result.exit_code == 0
    assert result.stderr == f"{boot}: The image looks inverted: dark on light. Say --invert if it is.\n"
    told = run("predict", boot, "--no-invert", "--models-dir", path.parent.parent)
    assert told.stderr == f"{boot}: The image looks inverted: dark on light.\n"


def test_the_explanation_is_drawn_on_request(boot: Path, models_dir: Path, tmp_path: Path) -> None:
    result = run("explain", boot, "--picture", tmp_path / "pictures", "--models-dir", models_dir)

    assert result.exit_code == 0
    assert (tmp_path / "pictures" / "boot [1].explanation.png").read_bytes().startswith(b"\x89PNG")


def test_pictures_of_files_with_one_name_are_refused_before_any_is_drawn(boot: Path, models_dir: Path) -> None:
    result = run("explain", boot, boot, "--picture", boot.parent, "--models-dir", models_dir)

    assert result.exit_code == 2
    assert "Several files are called 'boot [1]'" in result.stderr
    assert [entry.name for entry in boot.parent.glob("boot*")] == [boot.name]


@pytest.mark.slow
def test_what_cannot_be_written_is_one_line(boot: Path, models_dir: Path) -> None:
    command = [sys.executable, "-m", "app", "explain", str(boot), "--models-dir", str(models_dir), "--picture"]

    result = subprocess.run([*command, str(boot)], cwd=REPOSITORY, capture_output=True, text=True, check=False)

    assert result.returncode == 2
    assert result.stderr == f"error: [Errno 17] File exists: '{boot}'\n"


@pytest.mark.slow
def test_a_folder_without_models_is_told_once(boot: Path) -> None:
    command = [sys.executable, "-m", "app", "predict", str(boot), "--models-dir", str(boot)]

    result = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)

    assert result.returncode == 2
    assert result.stderr == f"Models folder {boot} can't be read: Not a directory.\n"


def test_a_file_name_that_is_not_utf8_is_shown_as_far_as_it_is(boot: Path, models_dir: Path) -> None:
    file = boot.rename(boot.with_name(os.fsdecode(b"b\xffot.png")))

    result = run("predict", file, "--json", "--models-dir", models_dir)

    assert Path(json.loads(result.stdout)["file"]).name == "b\ufffdot.png"


def test_the_default_model_is_the_one_that_the_service_has(
    boot: Path, models_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    artifact.save(models_dir / "letters" / artifact.FILE_NAME, make_model(), make_metadata("letters"))
    monkeypatch.setenv("SOFTMAX_MODELS_DIR", str(models_dir))
    monkeypatch.setenv("SOFTMAX_DEFAULT_MODEL", "letters")

    result = run("predict", boot, "--json")

    assert json.loads(result.stdout)["model"]["name"] == "letters"


@pytest.mark.parametrize(
    ("setting", "value", "complaint"),
    [
        ("MIN_ACCURACY", "0.95", "is below SOFTMAX_MIN_ACCURACY, 0.9500."),
        ("MIN_ACCURACY", "95", "SOFTMAX_MIN_ACCURACY=95: Input should be less than or equal to 1."),
        ("MAX_IMAGE_PIXELS", "3000", "56×56 pixels"),
        ("MAX_BATCH_PIXELS", "3000", "56×56 pixels"),
    ],
)
def test_what_the_settings_refuse_is_refused(
    setting: str, value: str, complaint: str, boot: Path, models_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    boot.write_bytes(png(ankle_boot().resize((56, 56), 0)))
    assert run("predict", boot, "--resize", "--models-dir", models_dir).exit_code == 0
    monkeypatch.setenv(f"SOFTMAX_{setting}", value)

    result = run("predict", boot, "--resize", "--models-dir", models_dir)

    assert result.exit_code == 2
    assert complaint in result.stderr
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize("options", [("--model", "nope"), ("--against", "Hat")])
def test_an_unknown_model_or_label_is_refused_with_the_list(
    options: tuple[str, str], boot: Path, models_dir: Path
) -> None:
    result = run("explain", boot, *options, "--models-dir", models_dir)

    assert result.exit_code == 2
    assert options[1] in result.stderr
    assert "fashion-mnist" in result.stderr


@pytest.mark.slow
@pytest.mark.parametrize("is_first", [True, False])
def test_it_is_a_command_of_python_m_app(
    boot: Path,
    models_dir: Path,
    is_first: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    folder, command = ["--models-dir", str(models_dir)], ["predict", str(boot), "--json"]
    arguments = [*folder, *command] if is_first else [*command, *folder]

    process = [sys.executable, "-m", "app", *arguments]
    result = subprocess.run(process, cwd=REPOSITORY, capture_output=True, text=True, check=True)

    version = artifact.load(models_dir / "fashion-mnist" / artifact.FILE_NAME).version
    assert json.loads(result.stdout)["model"] == {"name": "fashion-mnist", "version": version}


def test_a_launcher_of_workers_imports_neither_torch_nor_other_commands() -> None:
    program = "import sys, app.terminal.serving; print(*({'torch', 'app.terminal.predictions'} & sys.modules.keys()))"

    result = subprocess.run([sys.executable, "-c", program], cwd=REPOSITORY, capture_output=True, text=True, check=True)

    assert result.stdout.split() == []
