"""The plug-in's modules that need neither Qt nor Krita, as they are installed."""

from __future__ import annotations

import ast
import importlib
import re
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as some


def module(plugin: ModuleType, name: str) -> Any:
    return importlib.import_module(f"{plugin.__name__}.{name}")


def test_importing_the_plugin_outside_of_krita_needs_no_qt_and_registers_nothing(plugin: ModuleType) -> None:
    assert issubclass(plugin.UpscaleError, Exception)
    assert not hasattr(plugin, "upscale")
    assert not {"PyQt5", "PyQt6", "krita"} & set(sys.modules)


@pytest.mark.parametrize(
    ("space", "linear", "expected"),
    [
        (("RGBA", "U8", ""), False, ("BGRA", "u8", "perceptual")),
        (("RGBA", "U16", ""), True, ("BGRA", "u16", "linear")),
        (("RGBA", "F16", ""), True, ("RGBA", "f16", "linear")),
        (("RGBA", "F32", ""), False, ("RGBA", "f32", "perceptual")),
        (("GRAYA", "U8", ""), False, ("GRAYA", "u8", "perceptual")),
        (("GRAYA", "F32", ""), True, ("GRAYA", "f32", "linear")),
        (("CMYKA", "U8", ""), False, None),
        (("LABA", "F32", ""), False, None),
    ],
)
def test_format_follows_kritas_order_of_channels(plugin: ModuleType, space: Any, linear: bool, expected: Any) -> None:
    colour = module(plugin, "host.colour")
    found = colour.direct_format(colour.ColourSpace(*space), linear)
    assert (found and (found.layout, found.depth, found.transfer)) == expected


def test_curves_in_use_are_told_from_linear(plugin: ModuleType) -> None:
    def on_srgb_curve(light: float) -> float:
        return 1.055 * light ** (1 / 2.4) - 0.055

    is_linear = module(plugin, "host.colour").is_linear
    assert is_linear(on_srgb_curve(0.5))
    assert not any(is_linear(on_srgb_curve(0.5**gamma)) for gamma in (1.8, 2.2, 2.4, 2.6))


def mixed_by_definition(below: Any, above: Any, mask: Any, full: float) -> npt.NDArray[np.float64]:
    share = mask[:, None] / 255
    low_alpha, high_alpha = below[:, -1:] * (1 - share), above[:, -1:] * share
    alpha = low_alpha + high_alpha
    weights = np.where(alpha > 0, high_alpha / np.where(alpha > 0, alpha, 1), 1)
    return np.concatenate([below[:, :-1] * (1 - weights) + above[:, :-1] * weights, alpha], axis=1)


@pytest.mark.parametrize("depth", ["U8", "U16", "F16", "F32"])
@pytest.mark.parametrize("model", ["RGBA", "GRAYA", "CMYKA"])
def test_mask_mixes_colours_weighted_by_alpha(plugin: ModuleType, model: str, depth: str) -> None:
    blend, colour = module(plugin, "pixels.blend"), module(plugin, "host.colour")
    kind = {"U8": np.uint8, "U16": np.uint16, "F16": np.float16, "F32": np.float32}[depth]
    full = {"U8": 255, "U16": 65535}.get(depth, 1)
    random = np.random.default_rng(5)
    count, channels = 400, colour.CHANNELS[model]
    below, above = ((random.random((count, channels)) * full).astype(kind) for _ in range(2))
    below[:60, -1] = 0
    above[40:100, -1] = 0
    mask = random.integers(0, 256, count).astype(np.uint8)
    mask[100:200], mask[200:300] = 0, 255
    space = colour.ColourSpace(model, depth, "")
    found = np.frombuffer(blend.through_mask(below.tobytes(), above.tobytes(), mask.tobytes(), space), kind)
    found = found.reshape(count, channels)
    assert (found[mask == 0] == below[mask == 0]).all()
    assert (found[mask == 255] == above[mask == 255]).all()
    expected = mixed_by_definition(below.astype(float), above.astype(float), mask.astype(float), full)
    seen = expected[:, -1] > 0
    assert abs(found.astype(float) - expected)[seen].max() <= (0.51 if full > 1 else 2e-3)


@given(some.binary(min_size=1, max_size=60))
def test_fading_multiplies_alpha_only(plugin: ModuleType, mask: bytes) -> None:
    blend, colour = module(plugin, "pixels.blend"), module(plugin, "host.colour")
    pixels = bytes(range(200, 204)) * len(mask)
    found = np.frombuffer(blend.fade(pixels, mask, colour.ColourSpace("RGBA", "U8", "")), np.uint8).reshape(-1, 4)
    shares = np.frombuffer(mask, np.uint8)
    assert abs(found[:, 3].astype(float) - 203 * (shares / 255)).max() <= 0.51
    assert (found[shares > 0][:, :3] == [200, 201, 202]).all()
    assert not found[shares == 0].any()


@pytest.mark.parametrize("depth", ["u8", "u16", "f16", "f32"])
def test_sums_of_samples_are_clipped_to_the_depth(
    plugin: ModuleType, depth: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    difference = module(plugin, "pixels.difference")
    monkeypatch.setattr(difference, "PIECE", 1000)  # so that there are several
    kind = np.dtype({"u": "<u", "f": "<f"}[depth[0]] + str(int(depth[1:]) // 8))
    random = np.random.default_rng(3)
    full = np.iinfo(kind).max if depth[0] == "u" else 1
    base, plus, minus = ((random.random(3500) * full).astype(kind) for _ in range(3))
    found = np.frombuffer(difference.shifted(base.tobytes(), plus.tobytes(), minus.tobytes(), depth), kind)
    expected = base.astype(float) + plus - minus
    if depth[0] == "u":
        assert (found == expected.clip(0, full)).all()
    else:
        assert abs(found - expected).max() < {"f16": 2e-3, "f32": 1e-6}[depth]


@given(
    some.builds(
        dict,
        model=some.text(some.characters(blacklist_characters="\x00\n\r;"), min_size=1),
        detail=some.none() | some.integers(0, 20).map(lambda step: step / 20),
        output=some.sampled_from(["enlarge", "layer", "new"]),
        cleanup=some.none() | some.integers(0, 4).map(lambda step: step / 4),
        scale=some.floats(1, 8),
        width=some.none() | some.integers(1, 1 << 20),
        height=some.none() | some.integers(1, 1 << 20),
    )
)
def test_settings_come_back_from_the_settings_file(plugin: ModuleType, given_settings: dict[str, Any]) -> None:
    settings = module(plugin, "settings").Settings(**given_settings)
    assert type(settings).from_text(settings.to_text()) == settings


@pytest.mark.parametrize(
    "text",
    [
        "",
        "enlarge",
        "new;0.5;auto",
        "new;0.5;;auto",
        "bigger;0.5;;2;;;auto",
        "new;2;;2;;;auto",
        "new;x;;2;;;auto",
        "new;;7;2;;;auto",
        "new;;;9;;;auto",
        "new;;;2;0;;auto",
        "new;;;2;1.5;;auto",
        "new;0.5;;2;;;",
        ";;;;;;",
    ],
)
def test_spoilt_settings_give_the_defaults(plugin: ModuleType, text: str) -> None:
    settings = module(plugin, "settings").Settings
    assert settings.from_text(text) == settings()


def test_all_wrong_settings_are_named_at_once(plugin: ModuleType) -> None:
    expected = r"model='' .* and detail=True .* and scale=0.5 .* and width=-4 .* and height='2' .* and output='x'"
    with pytest.raises(plugin.UpscaleError, match=expected):
        module(plugin, "settings").Settings("", True, "x", scale=0.5, width=-4, height="2")


def test_help_names_the_parameters_in_the_order_of_the_function(plugin: ModuleType) -> None:
    source = Path(str(plugin.__file__)).with_name("registration.py").read_text(encoding="utf-8")
    made = {node.name: node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.FunctionDef)}
    names = [each.arg for each in made["upscale"].args.args]
    usage = source.partition('USAGE = _("""')[2].partition('"""')[0]
    assert re.findall(r"(\w+)=", usage.partition("upscale(")[2].partition(")")[0]) == names
    assert re.findall(r"^(\w+) +(?=\S)", usage, re.MULTILINE)[1 : 1 + len(names)] == names


@pytest.mark.parametrize(
    ("given_size", "expected"),
    [
        ({}, (66, 54)),
        ({"scale": 2.5}, (83, 68)),
        ({"scale": 3, "width": 100}, (100, 82)),
        ({"height": 100}, (122, 100)),
        ({"width": 100, "height": 81}, (100, 81)),
    ],
)
def test_size_is_a_factor_or_pixels_of_the_same_shape(plugin: ModuleType, given_size: Any, expected: Any) -> None:
    sizes, client = module(plugin, "sizes"), module(plugin, "client")
    found = sizes.result_of(module(plugin, "settings").Settings(**given_size), client.Size(33, 27))
    assert (found.width, found.height) == expected


@pytest.mark.parametrize("given_size", [{"width": 20}, {"height": 300}, {"width": 100, "height": 100}])
def test_a_size_that_cannot_be_is_refused_in_a_sentence(plugin: ModuleType, given_size: Any) -> None:
    sizes, client = module(plugin, "sizes"), module(plugin, "client")
    with pytest.raises(plugin.UpscaleError, match="33×27"):
        sizes.result_of(module(plugin, "settings").Settings(**given_size), client.Size(33, 27))


def test_a_layer_far_past_a_canvas_that_rounds_to_another_shape_is_refused(plugin: ModuleType) -> None:
    sizes, client = module(plugin, "sizes"), module(plugin, "client")
    canvas, layer = client.Region(0, 0, 10, 1000), client.Region(0, 0, 1000, 1000)
    with pytest.raises(plugin.UpscaleError, match="whole factor"):
        sizes.enlargement(canvas, client.Size(10, 1000).enlarged(2.55), layer, "enlarge")
    assert sizes.enlargement(canvas, client.Size(10, 1000).enlarged(3), layer, "enlarge")


def test_lengths_of_a_style_are_scaled_and_shares_are_not(plugin: ModuleType) -> None:
    styles = module(plugin, "styles")
    style = '<asl><node unit="#Pxl" key="Sz  " value="3"/><node unit="#Prc" key="Opct" value="75"/></asl>'
    assert 'value="7.5"' in styles.scaled_style(style, 2.5)
    assert 'value="75"' in styles.scaled_style(style, 2.5)
    assert styles.scaled_style("", 2.5) == ""


def test_a_fault_of_the_client_becomes_a_sentence_with_the_log(plugin: ModuleType, tmp_path: Any) -> None:
    log, client = module(plugin, "log"), module(plugin, "client")
    path = tmp_path / "server.log"
    assert str(log.as_upscale_error(client.ServerDied("It died."), path)) == "It died.", "no such log"
    path.touch()
    error = log.as_upscale_error(client.ServerDied("It died."), path)
    assert str(error) == f"It died. (log: {path})"
    assert isinstance(error, plugin.UpscaleError)
    refused = client.Refused(500, "failed", "It failed; the server's log has the details under log id 12ab.")
    assert str(log.as_upscale_error(refused, path)) == str(refused)


def test_an_unforeseen_fault_is_logged_with_its_traceback(
    plugin: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    log = module(plugin, "log")
    monkeypatch.setenv("NEURAL_UPSCALE_RUNTIME", str(tmp_path / "runtime.json"))
    try:
        raise ZeroDivisionError("nobody foresaw it")
    except ZeroDivisionError as fault:
        error = log.as_upscale_error(fault)
    assert str(tmp_path) in str(error)
    assert "Traceback" in (tmp_path / "krita-plugin.log").read_text(encoding="utf-8")


def test_a_log_that_cannot_be_written_does_not_hide_the_fault(
    plugin: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    log = module(plugin, "log")
    (tmp_path / "file").touch()
    monkeypatch.setenv("NEURAL_UPSCALE_RUNTIME", str(tmp_path / "file" / "runtime.json"))
    error = log.as_upscale_error(ZeroDivisionError("nobody foresaw it"))
    assert "ZeroDivisionError: nobody foresaw it" in str(error)
    assert "no log could be written" in str(error)
