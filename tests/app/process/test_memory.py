"""Memory that was freed goes back to the system, also when something small lies behind it."""

import subprocess
import sys

import pytest

from tests.conftest import REPOSITORY

_PROGRAM = """
from pathlib import Path
from app.process.memory import give_back_large_blocks

def resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096

give_back_large_blocks()
first = bytearray(24 * 2**20)  # from here on, glibc by itself would take 24 MiB for small
del first
before = resident()
photograph = bytearray(16 * 2**20)
small = [bytearray(100_000) for _ in range(20)]
del photograph
print(resident() - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="measures glibc, through /proc")
def test_a_large_block_is_given_back_whatever_lies_behind_it() -> None:
    result = subprocess.run(
        [sys.executable, "-c", _PROGRAM], cwd=REPOSITORY, capture_output=True, text=True, timeout=60, check=True
    )

    assert int(result.stdout) < 4 * 2**20
