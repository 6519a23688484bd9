"""The facts of the machine that the results stand for."""

import os
import platform
import subprocess
from pathlib import Path

import psutil

__all__ = ["describe_machine"]


def describe_machine() -> dict[str, str | int]:
    cpu = Path("/proc/cpuinfo").read_text()
    models = [line.split(":", 1)[1].strip() for line in cpu.splitlines() if line.startswith("model name")]
    return {
        "cpu": models[0] if models else platform.processor(),
        "cores": os.cpu_count() or 0,
        "memory_gib": round(psutil.virtual_memory().total / 2**30),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "wrk": _wrk_version(),
    }


def _wrk_version() -> str:
    run = subprocess.run(
        ["wrk", "-v"],  # noqa: S607  the one on the path is the one that is used
        capture_output=True,
        text=True,
        check=False,
        timeout=10,
    )
    return (run.stdout + run.stderr).split("[")[0].removeprefix("wrk ").strip()
