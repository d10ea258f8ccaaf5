"""Which devices of a cluster get a worker, and what is refused before a cluster is looked for."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from server.cluster.slots import check_device, wanted_slots
from server.errors import CannotStart
from server.settings import Settings
from tests.import_graph import ROOT


def machine(name: str, *, alive: bool = True, **resources: float) -> dict[str, Any]:
    return {"NodeID": f"id-{name}", "NodeManagerHostname": name, "Alive": alive, "Resources": resources}


def names(nodes: list[dict[str, Any]], device: str) -> list[str]:
    return [slot.name for slot in wanted_slots(nodes, device)]


def test_auto_takes_every_gpu_and_no_cpu_where_there_is_a_gpu() -> None:
    nodes = [machine("render", CPU=32, GPU=2), machine("desk", CPU=8), machine("old", CPU=16, GPU=1)]
    assert names(nodes, "auto") == ["cuda:0@render", "cuda:1@render", "cuda:0@old"]
    assert [slot.threads for slot in wanted_slots(nodes, "auto")] == [16, 16, 16]
    assert {slot.cpus for slot in wanted_slots(nodes, "auto")} == {0}


def test_auto_takes_every_machine_where_there_is_no_gpu_except_those_that_offer_nothing() -> None:
    nodes = [machine("head", CPU=0), machine("one", CPU=8), machine("two", CPU=4)]
    assert names(nodes, "auto") == ["cpu:0@one", "cpu:0@two"]
    assert [(slot.cpus, slot.threads) for slot in wanted_slots(nodes, "auto")] == [(8, 8), (4, 4)]


def test_a_machine_that_left_has_no_slots() -> None:
    assert names([machine("one", CPU=8), machine("gone", CPU=8, alive=False)], "cpu") == ["cpu:0@one"]


def test_cpu_named_twice_shares_a_machine_in_two() -> None:
    assert [(slot.name, slot.cpus, slot.threads) for slot in wanted_slots([machine("one", CPU=6)], "cpu,cpu")] == [
        ("cpu:0@one", 3, 3),
        ("cpu:1@one", 3, 3),
    ]
    assert [(slot.cpus, slot.threads) for slot in wanted_slots([machine("small", CPU=1)], "cpu,cpu")] == [(0.5, 1)] * 2


@pytest.mark.parametrize("device", ["auto", "cuda", "cpu", "cpu,cpu"])
def test_devices_of_a_cluster_are_accepted(device: str) -> None:
    check_device(device)


@pytest.mark.parametrize("device", ["mps", "cuda:1", "cpu,cuda", ""])
def test_devices_that_mean_one_machine_are_refused(device: str) -> None:
    with pytest.raises(CannotStart, match="expected auto"):
        check_device(device)


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"workers": "kubernetes"}, "--workers is kubernetes; expected one of local, ray"),
        ({"ray_address": "head:6379"}, "--ray-address needs --workers ray"),
        ({"workers": "ray", "ray_address": "ray://head:10001"}, "expected HOST:PORT"),
    ],
)
def test_flags_that_do_not_fit_are_refused(settings: dict[str, Any], told: str) -> None:
    with pytest.raises(CannotStart, match=told):
        Settings(**settings).check()


def python(code: str, folder: Path) -> subprocess.CompletedProcess[str]:
    environment = {"PYTHONPATH": str(ROOT), "HOME": str(folder), "PATH": "/usr/bin:/bin"}
    return subprocess.run(
        [sys.executable, "-c", code],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_ray_is_not_imported_unless_it_is_asked_for(tmp_path: Path) -> None:
    """Not even the modules that use it import it: only a fleet or a crew that begins its work does."""
    modules = "server.http.app, server.service, server.device.devices, server.cluster.workers, server.cluster.actor"
    modules += ", trainer.data.slicing.ray_pool"
    code = f"import sys, {modules}\nfrom server.service import Service\nfrom server.settings import Settings\n"
    code += "Service(Settings()); sys.exit('ray' in sys.modules)"
    done = python(code, tmp_path)
    assert done.returncode == 0, done.stderr


def test_without_ray_the_server_says_what_to_install(tmp_path: Path) -> None:
    code = "import sys\nsys.modules['ray'] = None\nfrom server.serve import main\nsys.exit(main(['--workers', 'ray']))"
    done = python(code, tmp_path)
    assert done.returncode == 1
    assert 'pip install "neural-upscale[cluster]"' in done.stderr
