"""One process per device, started by torchrun: who this process is, and means over all of them."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
import torch.distributed as dist
from torch import Tensor


@dataclass(frozen=True)
class World:
    """The processes that train together."""

    rank: int = 0  # This process's number, from 0
    size: int = 1  # How many there are; 1 without torchrun

    @property
    def leads(self) -> bool:
        """Whether this process validates, writes files and prints."""
        return self.rank == 0

    def average_gradients(self, parameters: Iterable[Tensor]) -> None:
        """Replace each gradient by its mean over all processes."""
        if self.size == 1:
            return
        gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
        flat = torch.cat([gradient.reshape(-1) for gradient in gradients])
        dist.all_reduce(flat)
        flat /= self.size
        means = torch.split(flat, [gradient.numel() for gradient in gradients])
        for gradient, mean in zip(gradients, means, strict=True):
            gradient.copy_(mean.view_as(gradient))

    def mean(self, values: Tensor) -> Tensor:
        """Return the mean of a tensor over all processes."""
        if self.size > 1:
            dist.all_reduce(values)
            values = values / self.size
        return values

    def broadcast(self, values: list[float]) -> list[float]:
        """Return process 0's numbers in every process; all wait for it here."""
        if self.size == 1:
            return values
        received: list[object] = [values]
        dist.broadcast_object_list(received, src=0)
        return [float(value) for value in received[0]]  # type: ignore[attr-defined]

    def wait(self) -> None:
        """Wait until all processes have come here."""
        self.broadcast([])


@contextmanager
def joined(device: torch.device) -> Iterator[tuple[World, torch.device]]:
    """Join the processes that torchrun started, and leave them at the end.

    Args:
        device: What the user chose; with several GPUs, each process takes the one of its local rank.

    Yields:
        The world and this process's device.
    """
    size = int(os.environ.get("WORLD_SIZE", "1"))
    if size == 1:
        yield World(), device
        return
    from torch.distributed.rendezvous import rendezvous  # these two are not in every build of torch

    from trainer.training.rendezvous import fresh_store

    if device.type == "cuda":
        device = torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))
        torch.cuda.set_device(device)
    store, rank, size = next(rendezvous("env://"))
    store = fresh_store(store, rank, size)
    dist.init_process_group("nccl" if device.type == "cuda" else "gloo", store=store, rank=rank, world_size=size)
    try:
        yield World(dist.get_rank(), dist.get_world_size()), device
    finally:
        dist.destroy_process_group()
