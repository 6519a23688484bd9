"""The peers: each a folder under `peers/` with its server, and a peer.toml that tells how to install and ask it.

peer.toml:
    title          name in the tables
    package        its version is shown in the tables
    requirements   pip requirements besides the common ones; "project": the project's own, pinned
    extra          optional, with "project": the extra of the project that it takes besides
    shares         optional, the name of an environment that several peers share
    prepare        optional command, run before each start
    command        the server; stays in the foreground
    environment    optional environment variables
    cores          optional, the cores it is pinned to; [0] unless given
    baseline       optional, the peer it is measured alternately with; "fastapi" unless given
    requests       by workload: path, body and what that body takes (workloads.py)

In commands and variables {python}, {bin}, {here}, {peers}, {repository}, {model}, {models}, {scratch}, {libpython},
{port}, {port2} and {port3} are filled in.
"""

import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.serving.errors import BenchmarkError

__all__ = ["BASELINE", "Peer", "declared_peers"]

BASELINE = "fastapi"
_FOLDER = Path(__file__).parent / "peers"


@dataclass(frozen=True, slots=True)
class Peer:
    """A declaration as read from its peer.toml."""

    name: str
    title: str
    package: str
    requirements: list[str] | str
    command: list[str]
    requests: dict[str, dict[str, Any]]
    extra: str = ""
    shares: str = ""
    prepare: list[str] = field(default_factory=list)
    environment: dict[str, str] = field(default_factory=dict)
    cores: list[int] = field(default_factory=lambda: [0])
    baseline: str = BASELINE

    @property
    def folder(self) -> Path:
        return _FOLDER / self.name


def declared_peers() -> dict[str, Peer]:
    """Every peer under `peers/`, by the name of its folder, in the order of the alphabet.

    Raises:
        BenchmarkError: a declaration lacks a field or has one that is not known.
    """
    return {path.parent.name: _read(path) for path in sorted(_FOLDER.glob("*/peer.toml"))}


def _read(path: Path) -> Peer:
    try:
        return Peer(name=path.parent.name, **tomllib.loads(path.read_text()))
    except (TypeError, tomllib.TOMLDecodeError) as error:
        raise BenchmarkError(f"{path}: {error}.") from error
