"""After a restart, the processes of a training never meet in what the dead have left in torchrun's store."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time

import pytest
import torch.distributed as dist

from tests.import_graph import ROOT
from trainer.errors import TrainingError
from trainer.training.rendezvous import fresh_store

PATIENCE = 60.0
# What a training does first; the first start ends as a killed process does, the second as it should.
START = """
import os, sys, torch
from trainer.training.distributed import joined
with joined(torch.device("cpu")) as (world, _):
    print(world.mean(torch.tensor([float(world.rank)])).item(), flush=True)
    if sys.argv[1] == "dies":
        os._exit(9)
"""


@pytest.fixture
def store() -> dist.TCPStore:
    """A store like that of torchrun's agent: it outlives the processes."""
    return dist.TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False)


class Process(threading.Thread):
    """A process that joins the others: a thread with a connection of its own to the store."""

    def __init__(self, port: int, rank: int, size: int, mark: str = "", patience: float = PATIENCE) -> None:
        super().__init__(daemon=True)
        self.connection = dist.TCPStore("127.0.0.1", port, is_master=False, wait_for_workers=False)
        self.rank, self.size, self.mark, self.patience = rank, size, mark, patience
        self.found: dict[str, str] | None = None
        self.fault: TrainingError | None = None
        self.start()

    def run(self) -> None:
        try:
            own = fresh_store(self.connection, self.rank, self.size, self.patience)
        except TrainingError as fault:
            self.fault = fault
            return
        address = f"address/{self.rank}"
        if own.check([address]):
            self.found = {"left over": own.get(address).decode()}
            return
        own.set(address, self.mark)
        self.found = {f"address/{rank}": own.get(f"address/{rank}").decode() for rank in range(self.size)}

    def outcome(self) -> dict[str, str] | None:
        self.join(PATIENCE)
        return self.found


def addresses(size: int, mark: str) -> dict[str, str]:
    return {f"address/{rank}": mark for rank in range(size)}


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 0, 2)])
def test_each_start_finds_its_own_addresses_whoever_comes_first(store: dist.TCPStore, order: tuple[int, ...]) -> None:
    for mark in ("first", "second", "third"):
        processes = []
        for rank in order:
            processes.append(Process(store.port, rank, 3, mark))
            time.sleep(0.1)
        assert [process.outcome() for process in processes] == 3 * [addresses(3, mark)]


def test_who_died_before_the_others_came_is_not_waited_for(store: dist.TCPStore) -> None:
    dead = [Process(store.port, rank, 3, "dead", patience=0.3) for rank in (0, 2)]
    assert [process.outcome() for process in dead] == [None, None]
    assert "not all processes of this training came together" in str(dead[0].fault)
    alive = []
    for rank in (1, 0, 2):  # process 0 sees the dead process 2 first, and offers in vain
        alive.append(Process(store.port, rank, 3, "alive"))
        time.sleep(0.3)
    assert [process.outcome() for process in alive] == 3 * [addresses(3, "alive")]


def test_with_another_number_of_processes_they_meet_as_well(store: dist.TCPStore) -> None:
    for size in (4, 2, 3):
        processes = [Process(store.port, rank, size, str(size)) for rank in reversed(range(size))]
        assert [process.outcome() for process in processes] == size * [addresses(size, str(size))]


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_process_that_is_first_after_a_restart_does_not_dial_a_dead_one(store: dist.TCPStore) -> None:
    def started(rank: int, how: str) -> subprocess.Popen[str]:
        given = {"RANK": str(rank), "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(store.port)}
        given |= {"TORCHELASTIC_USE_AGENT_STORE": "True", "OMP_NUM_THREADS": "1"}
        return subprocess.Popen(
            [sys.executable, "-c", START, how], cwd=ROOT, env={**os.environ, **given}, stdout=-1, stderr=-1, text=True
        )

    first = [started(rank, "dies") for rank in (0, 1)]
    assert [process.communicate(timeout=120)[0].strip() for process in first] == ["0.5", "0.5"]
    early = started(1, "lives")
    with pytest.raises(subprocess.TimeoutExpired):
        early.wait(8)  # without an agreement it has dialled and failed by now
    late = started(0, "lives")
    ends = [process.communicate(timeout=120) for process in (late, early)]
    assert [told.strip() for told, _ in ends] == ["0.5", "0.5"], ends
