"""The processes that torchrun starts: each takes its part of every minibatch, and all sum what they found.

torchrun --nproc-per-node 2 -m training fit

That pays for streams larger than memory and for minibatches of many thousand images. One small data set is fitted
sooner by one process: each step adds up the gradients of all.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import Tensor, distributed
from torch.distributed import PrefixStore  # type: ignore[attr-defined]  # documented, but not in its __all__
from torch.distributed.rendezvous import rendezvous

from training.torchrun import local_rank, started_this

__all__ = ["ALONE", "Processes", "join"]

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Processes:
    """This process among all."""

    rank: int
    count: int
    restarted: bool  # torchrun started all anew after one had died
    is_first_here: bool = True  # of those on this machine

    @property
    def leads(self) -> bool:
        """Whether this one writes files and talks to the terminal."""
        return self.rank == 0

    @contextmanager
    def first_here_goes_first(self) -> Iterator[None]:
        """Let the others on each machine wait for the first one: what it has downloaded, they find there."""
        if self.count > 1 and not self.is_first_here:
            distributed.barrier()
        yield
        if self.count > 1 and self.is_first_here:
            distributed.barrier()

    def part(self, minibatch: Tensor) -> Tensor:
        """This process's rows of a minibatch; the parts are disjoint and make up the whole."""
        return minibatch if self.count == 1 else torch.tensor_split(minibatch, self.count)[self.rank]

    def sum(self, tensor: Tensor) -> None:
        """Replace `tensor` by its sum over all processes."""
        if self.count > 1:
            distributed.all_reduce(tensor)

    def from_leader(self, value: _T) -> _T:
        """The leader's value, in each process; others need not have one."""
        if self.count == 1:
            return value
        held = [value]
        distributed.broadcast_object_list(held, src=0, device=torch.device("cpu"))
        return held[0]


ALONE = Processes(rank=0, count=1, restarted=False)


@contextmanager
def join(device: torch.device) -> Iterator[Processes]:
    """Meet the other processes that torchrun started, over NCCL on CUDA and gloo on the CPU; alone without torchrun.

    All have to leave together: what one process does alone comes after this.
    """
    if not started_this():
        yield ALONE
        return
    on_cuda = device.type == "cuda"
    attempt = int(os.environ["TORCHELASTIC_RESTART_COUNT"])
    store, rank, count = next(rendezvous("env://"))
    # Each attempt has its own keys: a rank must not find the address of one that died.
    store = PrefixStore(f"attempt {attempt}", store)
    distributed.init_process_group(
        "cpu:gloo,cuda:nccl" if on_cuda else "gloo",
        store=store,
        rank=rank,
        world_size=count,
        device_id=device if on_cuda else None,
    )
    try:
        yield Processes(rank, count, restarted=attempt > 0, is_first_here=local_rank() == 0)
    finally:
        distributed.destroy_process_group()
