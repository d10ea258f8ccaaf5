"""The queue: fair turns, full batches, no waiting without need, and nothing left behind."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from server.errors import Busy, ClientGone, DeviceFault, EngineLost, ServerError, Stopping
from server.pipeline.engine import Plan
from server.pipeline.model_key import ModelKey
from server.pipeline.queue import TileQueue
from tests.server.in_process import bench, exact, save_compact

KEY = ModelKey("test", None, 0, (Path("test"),), ((0, 0, 0),))


class Doubler:
    """An engine that repeats pixels, notes its batches, and can be held."""

    def __init__(self, name: str = "test", before: Callable[[], None] = lambda: None) -> None:
        self.name = name
        self.batches: list[list[float]] = []
        self.freed = 0
        self.taken = 0  # tiles that it was handed
        self.gate = threading.Event()
        self.gate.set()
        self._before = before

    def plan(self, key: ModelKey) -> Plan:
        return Plan(64, 1 << 16)

    def batch_limit(self, key: ModelKey, height: int, width: int) -> int:
        return 100

    def warm_up(self, key: ModelKey) -> None:
        pass

    def run(self, key: ModelKey, tiles: NDArray[np.float32]) -> NDArray[np.float32]:
        self.taken += len(tiles)
        self.gate.wait(10)
        self._before()
        self.batches.append([float(tile[0, 0, 0]) for tile in tiles])
        return tiles.repeat(2, axis=2).repeat(2, axis=3)

    def free(self) -> None:
        self.freed += 1

    def describe(self) -> dict[str, Any]:
        return {}


def tile(value: float, side: int = 4) -> NDArray[np.float32]:
    return np.full((3, side, side), value, np.float32)


def wait_until(condition: Callable[[], bool]) -> None:
    for _ in range(500):
        if condition():
            return
        time.sleep(0.01)
    pytest.fail("it did not happen within 5 s")


def test_requests_take_turns_and_share_batches() -> None:
    engine, queue = Doubler(), TileQueue(max_batch=4, max_wait=0.02)
    engine.gate.clear()
    queue.start([engine])
    with queue.open() as first, queue.open() as second:
        held = queue.open()
        held.submit(KEY, [tile(0, side=5)])
        wait_until(lambda: queue.describe()["running"] == 1)
        one = first.submit(KEY, [tile(value) for value in (10, 11, 12, 13)])
        two = second.submit(KEY, [tile(value) for value in (20, 21, 22, 23)])
        engine.gate.set()
        assert [result[0, 0, 0] for result in first.collect(one)] == [10, 11, 12, 13]
        assert [result[0, 0, 0] for result in second.collect(two)] == [20, 21, 22, 23]
        held.close()
    queue.stop()
    assert sorted(engine.batches[1]) == [10, 11, 20, 21]
    assert sorted(engine.batches[2]) == [12, 13, 22, 23]


def test_tiles_of_other_sizes_or_models_do_not_share_a_batch() -> None:
    engine, queue = Doubler(), TileQueue()
    queue.start([engine])
    with queue.open() as job:
        job.collect(job.submit(KEY, [tile(1), tile(2, side=6), tile(3)]))
    queue.stop()
    assert all(len(set(batch)) == len(batch) for batch in engine.batches)
    assert [2.0] in engine.batches


def test_one_request_alone_never_waits_for_a_batch_to_fill() -> None:
    engine, queue = Doubler(), TileQueue(max_wait=30)
    queue.start([engine])
    begun = time.monotonic()
    with queue.open() as job:
        job.collect(job.submit(KEY, [tile(1)]))
    assert time.monotonic() - begun < 5
    queue.stop()


def test_a_request_beyond_the_bound_is_refused_and_the_place_comes_back() -> None:
    queue = TileQueue(bound=2)
    one, two = queue.open(), queue.open()
    assert queue.is_full
    with pytest.raises(Busy, match=r"2 pictures are under way.*limit is 2"):
        queue.open()
    one.close()
    one.close()
    queue.open().close()
    two.close()
    assert queue.under_way == 0


def test_a_closed_job_leaves_no_tile_in_the_queue() -> None:
    engine, queue = Doubler(), TileQueue(max_batch=1)
    engine.gate.clear()
    queue.start([engine])
    job = queue.open()
    job.submit(KEY, [tile(value) for value in range(9)])
    wait_until(lambda: queue.describe()["running"] == 1)
    job.close()
    assert queue.describe()["waiting"] == 0
    engine.gate.set()
    queue.stop()
    assert len(engine.batches) == 1


def test_waiting_ends_when_the_client_has_left() -> None:
    queue = TileQueue()
    with queue.open(lambda: True) as job, pytest.raises(ClientGone):
        job.collect(job.submit(KEY, [tile(1)]))


def test_stopping_ends_waiting_and_refuses_new_requests() -> None:
    queue = TileQueue()
    job = queue.open()
    tiles = job.submit(KEY, [tile(1)])
    threading.Timer(0.1, queue.stop).start()
    with pytest.raises(Stopping):
        job.collect(tiles)
    with pytest.raises(Stopping):
        queue.open()


def test_tiles_of_a_worker_that_dies_are_run_by_another() -> None:
    def die() -> None:
        raise RuntimeError("the device fell off")

    healthy, broken = Doubler("healthy"), Doubler("broken", before=die)
    queue = TileQueue(max_batch=2)
    queue.start([broken, healthy])
    healthy.gate.clear()
    with queue.open() as job:
        tiles = job.submit(KEY, [tile(value) for value in range(40)])
        wait_until(lambda: broken.taken > 0)
        healthy.gate.set()
        assert [result[0, 0, 0] for result in job.collect(tiles)] == list(range(40))
    queue.stop()
    assert broken.batches == []


def test_a_worker_that_keeps_failing_is_given_up_only_while_another_is_left() -> None:
    def die() -> None:
        raise RuntimeError("the device fell off")

    healthy, broken = Doubler("healthy"), Doubler("broken", before=die)
    queue = TileQueue(max_batch=1)
    queue.start([broken, healthy])
    healthy.gate.clear()
    with queue.open() as job:
        tiles = job.submit(KEY, [tile(value) for value in range(10)])
        wait_until(lambda: queue.engines == [healthy])
        healthy.gate.set()
        job.collect(tiles)
    queue.stop()


def test_a_tile_that_fails_twice_fails_its_request_with_a_sentence_and_no_other() -> None:
    engine = Doubler()
    queue = TileQueue(max_batch=1)

    def fail_on_seven(key: ModelKey, tiles: NDArray[np.float32]) -> NDArray[np.float32]:
        if tiles[0, 0, 0, 0] == 7:
            raise RuntimeError("kernel panic")
        return tiles.repeat(2, axis=2).repeat(2, axis=3)

    engine.run = fail_on_seven  # type: ignore[method-assign]
    queue.start([engine])
    with queue.open() as bad, queue.open() as good:
        tiles = bad.submit(KEY, [tile(7)])
        fine = good.submit(KEY, [tile(1)])
        with pytest.raises(DeviceFault, match=r"failed twice.*kernel panic"):
            bad.collect(tiles)
        assert good.collect(fine)[0][0, 0, 0] == 1
    queue.stop()


def test_a_model_that_fails_on_every_device_retires_none(tmp_path: Path) -> None:
    """Seven pictures with a model whose numbers are not finite, then one with a sound model on each device."""
    save_compact(tmp_path, "nan", bias=float("nan"))
    save_compact(tmp_path, "sound")
    with bench(tmp_path, lambda store: [exact(store), exact(store)]) as it:
        engines = list(it.queue.engines)
        for _ in range(7):
            with pytest.raises(ServerError, match="not finite"):
                it.enlarge(np.zeros((8, 8, 3), np.uint8), "RGB", "u8", model="nan")
        assert it.queue.engines == engines
        assert it.enlarge(np.zeros((8, 8, 3), np.uint8), "RGB", "u8", model="sound").shape == (16, 16, 3)


def test_an_idle_device_gives_its_memory_back_once() -> None:
    engine, queue = Doubler(), TileQueue(keep_alive=0.1)
    queue.start([engine])
    with queue.open() as job:
        job.collect(job.submit(KEY, [tile(1)]))
    wait_until(lambda: engine.freed == 1)
    time.sleep(0.3)
    assert engine.freed == 1
    queue.stop()


def test_the_queue_answers_while_a_device_gives_its_memory_back() -> None:
    class Slow(Doubler):
        freeing, gate_of_free = threading.Event(), threading.Event()

        def free(self) -> None:
            self.freeing.set()
            self.gate_of_free.wait(20)

    engine, queue = Slow(), TileQueue(keep_alive=0.05)
    queue.start([engine])
    assert engine.freeing.wait(10)
    told: list[dict[str, int]] = []
    asking = threading.Thread(target=lambda: told.append(queue.describe()), daemon=True)
    asking.start()
    asking.join(5)
    engine.gate_of_free.set()
    assert told
    with queue.open() as job:
        job.collect(job.submit(KEY, [tile(1)]))
    queue.stop()


def test_tiles_of_a_lost_engine_wait_for_the_next_to_join_and_keep_their_order() -> None:
    def lose() -> None:
        raise EngineLost("its machine is gone")

    lost, late = Doubler("lost", before=lose), Doubler("late")
    queue = TileQueue(max_batch=2)
    queue.start([lost])
    with queue.open() as job:
        tiles = job.submit(KEY, [tile(value) for value in range(10)])
        wait_until(lambda: queue.engines == [])
        queue.add(late, workers=2)
        assert [result[0, 0, 0] for result in job.collect(tiles)] == list(range(10))
        assert lost.batches == []
    queue.stop()


def test_a_tile_that_several_engines_are_lost_with_fails_its_request() -> None:
    def lose() -> None:
        raise EngineLost("out of memory")

    queue = TileQueue()
    queue.start([Doubler(f"number {number}", before=lose) for number in range(4)])
    with queue.open() as job, pytest.raises(DeviceFault, match=r"3 workers were lost.*out of memory"):
        job.collect(job.submit(KEY, [tile(1)]))
    assert len(queue.engines) == 1
    queue.stop()


def test_an_engine_is_handed_as_many_batches_as_it_has_workers_and_the_rest_waits() -> None:
    engine, queue = Doubler(), TileQueue(max_batch=1)
    engine.gate.clear()
    queue.add(engine, workers=2)
    with queue.open() as job:
        tiles = job.submit(KEY, [tile(value) for value in range(9)])
        wait_until(lambda: queue.describe()["running"] == 2)
        time.sleep(0.1)
        assert queue.describe()["waiting"] == 7
        engine.gate.set()
        job.collect(tiles)
    queue.stop()


def test_one_picture_is_shared_out_evenly_among_engines() -> None:
    first, second = Doubler("first"), Doubler("second")
    queue = TileQueue(max_batch=16)
    first.gate.clear()
    second.gate.clear()
    with queue.open() as job:
        tiles = job.submit(KEY, [tile(value) for value in range(8)])
        queue.start([first, second])
        wait_until(lambda: queue.describe()["waiting"] == 0)
        first.gate.set()
        second.gate.set()
        job.collect(tiles)
    queue.stop()
    assert [len(batch) for batch in first.batches + second.batches] == [4, 4]


def test_an_engine_that_parted_is_handed_nothing_more() -> None:
    staying, leaving = Doubler("staying"), Doubler("leaving")
    queue = TileQueue(max_batch=1)
    queue.start([staying, leaving])
    queue.remove(leaving)
    queue.remove(leaving)
    with queue.open() as job:
        job.collect(job.submit(KEY, [tile(value) for value in range(5)]))
    queue.stop()
    assert leaving.batches == []


def test_with_several_requests_under_way_a_batch_waits_a_little_to_fill() -> None:
    engine, queue = Doubler(), TileQueue(max_batch=2, max_wait=5)
    queue.start([engine])
    with queue.open() as first, queue.open() as second:
        one = first.submit(KEY, [tile(1)])
        time.sleep(0.1)
        two = second.submit(KEY, [tile(2)])
        first.collect(one)
        second.collect(two)
    queue.stop()
    assert [sorted(batch) for batch in engine.batches] == [[1, 2]]
