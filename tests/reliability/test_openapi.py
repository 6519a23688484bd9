"""`/openapi.json` is true to what the service does: schemathesis holds them together, all its checks on."""

import subprocess
import sys
from pathlib import Path

import pytest

_CONFIGURATION = Path(__file__).parent / "schemathesis.toml"
_SECONDS = 12
_SEED = 290_625


@pytest.mark.slow
def test_every_operation_does_what_openapi_says(server: str, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "schemathesis.cli", "--config-file", str(_CONFIGURATION), "run"]
    options = ["--checks", "all", "--max-time", str(_SECONDS), "--seed", str(_SEED), "--no-color"]

    result = subprocess.run(
        [*command, f"{server}/openapi.json", *options],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=6 * _SECONDS,
        check=False,
    )

    assert result.returncode == 0, result.stdout[-5000:] + result.stderr
