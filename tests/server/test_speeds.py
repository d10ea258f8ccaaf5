"""What is remembered of the models' speed: what was measured on this machine, and nothing else."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from server.speeds import Speeds
from tests.hosts.model_server import ModelServer

SMALL: dict[str, Any] = {"name": "small", "usable": True, "architecture": "compact", "config": {"a": 1}, "halo": 16}
TWIN = SMALL | {"name": "twin"}  # learned something else
LARGE = SMALL | {"name": "large", "config": {"a": 2}}
MODELS = [SMALL, TWIN, LARGE]


def engine(label: str, rate: float, tile: int = 96) -> dict[str, Any]:
    return {"megapixels_per_second": {label: rate}, "plans": {label: {"tile": tile}}}


def test_a_rate_counts_a_pictures_pixels_and_holds_for_every_file_of_that_form(tmp_path: Path) -> None:
    speeds = Speeds(tmp_path / "speeds.json", ["here"])
    assert speeds.of(SMALL) is None
    speeds.learn(MODELS, [engine("small@0.5 torch", 2.0), engine("small@None winograd", 4.0)])
    assert speeds.of(SMALL) == speeds.of(TWIN) == pytest.approx(4.0 * (96 / 128) ** 2)
    assert speeds.of(LARGE) is None


def test_rates_outlive_the_server_and_belong_to_one_machine(tmp_path: Path) -> None:
    path = tmp_path / "cache" / "speeds.json"
    Speeds(path, ["here"]).learn(MODELS, [engine("large@None torch", 1.0)])
    assert Speeds(path, ["here"]).of(LARGE) is not None
    assert Speeds(path, ["elsewhere"]).of(LARGE) is None
    for spoilt in (b"", b"[" * 9999, b'{"machine": 1, "megapixels_per_second": [1]}'):
        path.write_bytes(spoilt)
        assert Speeds(path, ["here"]).of(LARGE) is None


def test_models_that_are_gone_and_engines_that_have_measured_nothing_teach_nothing(tmp_path: Path) -> None:
    speeds = Speeds(tmp_path / "speeds.json", [])
    speeds.learn(MODELS, [{}, engine("gone@None torch", 1.0), {"megapixels_per_second": {"small@None torch": 1.0}}])
    assert not (tmp_path / "speeds.json").exists()


def test_a_speed_is_listed_once_the_model_has_enlarged_a_picture(model_server: ModelServer) -> None:
    def listed(name: str) -> dict[str, Any]:
        return next(each for each in model_server.get("/v1/models")["models"] if each["name"] == name)

    model_server.upscale(bytes(300), 10, 10, "RGB", "u8", model="fixed-faithful")
    assert listed("fixed-faithful")["megapixels_per_second"] > 0
    assert listed("fixed")["megapixels_per_second"] == listed("fixed-detailed")["megapixels_per_second"]
    assert listed("fixed")["bytes"] == listed("fixed-faithful")["bytes"] + listed("fixed-detailed")["bytes"]
    kept = json.loads((model_server.log.parent / "cache" / "neural-upscale" / "speeds.json").read_text())
    assert kept["megapixels_per_second"]
