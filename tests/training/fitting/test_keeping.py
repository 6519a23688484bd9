"""Checkpoints are saved at most once a second, and when a fit is interrupted."""

from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.training.conftest import make_split
from training.fitting.checkpoints import load_checkpoint, purpose_of
from training.fitting.fit import Fit
from training.fitting.keeping import SECONDS, Keeper
from training.fitting.recipes import Recipe

PURPOSE = purpose_of(Recipe(), 0, "0" * 64)
NOTHING = make_split(0)


def new_fit(epochs: int) -> Fit:
    return Fit(Recipe(epochs=epochs), make_split(10), NOTHING, 10, torch.device("cpu"))


def saved(path: Path) -> int:
    """The epochs that the checkpoint has seen."""
    checkpoint = load_checkpoint(path, PURPOSE)
    return len(checkpoint.history) if checkpoint else 0


@given(durations=st.lists(st.floats(0, 3), min_size=1, max_size=12))
@settings(max_examples=40, deadline=None)
def test_checkpoints_are_a_second_apart_and_none_is_more_than_a_second_late(durations: list[float]) -> None:
    now, times, last = 0.0, [0.0], 0
    with TemporaryDirectory() as folder:
        path, fit = Path(folder) / "checkpoint", new_fit(len(durations))
        keeper = Keeper(path, PURPOSE, fit, lambda: now)

        for _, duration in zip(fit.epochs(), durations, strict=True):
            now += duration
            keeper.epoch_done()
            if saved(path) > last:
                last = saved(path)
                times.append(now)
                assert last == len(fit.history)
            assert now - times[-1] < SECONDS

    assert all(later - earlier >= SECONDS for earlier, later in pairwise(times))


def test_an_interruption_saves_the_last_whole_epoch_at_once_and_that_once(tmp_path: Path) -> None:
    path, fit = tmp_path / "checkpoint", new_fit(5)
    keeper = Keeper(path, PURPOSE, fit, lambda: 0.0)
    keeper.save()
    assert saved(path) == 0

    for _ in zip(range(3), fit.epochs(), strict=False):
        keeper.epoch_done()
    assert saved(path) == 0
    keeper.save()
    first = path.stat()
    keeper.save()

    assert saved(path) == 3
    assert path.stat().st_ino == first.st_ino


def test_what_a_resumed_fit_had_done_is_not_saved_again(tmp_path: Path) -> None:
    path, done, resumed = tmp_path / "checkpoint", new_fit(3), new_fit(3)
    done.finish()
    resumed.resume(done.checkpoint(PURPOSE))

    Keeper(path, PURPOSE, resumed, lambda: 0.0).save()

    assert not path.exists()
