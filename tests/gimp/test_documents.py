"""Whole documents in real GIMP with its window: what follows, what is kept, and one Ctrl+Z that brings it all back."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy
import pytest

from tests.gimp.gimp_session import GimpSession
from tests.gimp.test_layers import DEPTHS, LINEAR, WIDE
from tests.hosts.model_server import ModelServer

pytestmark = [pytest.mark.gimp, pytest.mark.versions]

SCENES = Path(__file__).with_name("scenes.py")
RUNS = [
    ("plain", "enlarge"), ("dressed", "enlarge"), ("nested", "enlarge"), ("group", "enlarge"), ("text", "enlarge"),
    ("indexed", "enlarge"), ("several", "enlarge"), ("effects", "enlarge"), ("partial_effect", "enlarge"),
    ("masked_group", "enlarge"), ("group_effects", "enlarge"),
    ("dressed", "layer"), ("nested", "layer"), ("indexed", "layer"), ("several", "layer"), ("masked_group", "layer"),
    ("selected", "enlarge"), ("selected_text", "enlarge"), ("selected_locked", "enlarge"),
    ("selected_partial_effect", "enlarge"), ("selected", "layer"), ("selected_effects", "layer"),
    ("selected", "new"), ("several", "new"), ("group", "new"), ("dressed", "new"), ("selected_dressed", "new"),
    ("selected_several", "enlarge"), ("selected_several", "layer"), ("selected_several", "new"),
    ("dressed", "enlarge", 2.5),
]  # fmt: skip
RUNS += [(f"depth:{precision}", "enlarge") for precision in DEPTHS]
RUNS += [(f"depth:FLOAT_NON_LINEAR:{profile}", "enlarge") for profile in (WIDE, LINEAR)]
UNDOABLE = [run for run in RUNS if run[1] != "new"]


@pytest.fixture(scope="module")
def told(gimp: GimpSession) -> dict[str, Any]:
    calls = "\n".join(f"run_scene(*{run!r})" for run in RUNS)
    return gimp.run(SCENES.read_text(encoding="utf-8") + "\n" + calls, screen=True, timeout=600)


def name_of(run: tuple[Any, ...]) -> str:
    return "-".join(str(each) for each in run)


def named(layers: list[dict[str, Any]], name: str) -> dict[str, Any]:
    for layer in layers:
        if layer["name"] == name:
            return layer
        if layer["children"] and (found := named(layer["children"], name)):
            return found
    return {}


def picture_of(data: bytes, width: int, samples: int) -> numpy.ndarray:
    return numpy.frombuffer(data, numpy.uint8).reshape(-1, width, samples).astype(int)


@pytest.mark.parametrize("run", UNDOABLE, ids=name_of)
def test_one_undo_restores_pixels_size_and_structure_exactly(told: dict[str, Any], run: tuple[Any, ...]) -> None:
    scene = told[name_of(run)]
    assert scene["after"] != scene["before"]
    assert scene["undone"] == scene["before"]


@pytest.mark.parametrize("run", [run for run in RUNS if run[0].startswith("depth:")], ids="-".join)
def test_every_depth_keeps_its_format_and_place(told: dict[str, Any], run: tuple[str, str]) -> None:
    before, after = told["-".join(run)]["before"], told["-".join(run)]["after"]
    assert after["precision"] == before["precision"]
    layer = {**before["layers"][0], "size": [48, 36], "offsets": [-6, 10]}
    assert after["layers"] == [layer]


@pytest.mark.parametrize("scene", ["plain", "dressed", "nested", "several", "effects", "indexed", "text"])
def test_the_chosen_layer_becomes_what_the_server_gives(
    gimp: GimpSession, model_server: ModelServer, told: dict[str, Any], scene: str
) -> None:
    name = f"{scene}-enlarge"
    layer = named(told[name]["before"]["layers"], "Gimp" if scene == "text" else "Photo")
    width, height = layer["size"]
    layout = "RGB" if scene == "plain" else "RGBA"
    expected = model_server.upscale(
        gimp.kept(f"{name}.0.before"), width, height, layout, "u8", model="fixed", detail=0.5
    )
    got = gimp.kept(f"{name}.{layer['name']}.after")
    difference = numpy.abs(picture_of(got, 2 * width, len(layout)) - picture_of(expected, 2 * width, len(layout)))
    assert difference.max() == 0, f"mean {difference.mean()}, histogram {numpy.bincount(difference.ravel())[:8]}"


@pytest.mark.parametrize("scene", ["plain", "dressed"])
def test_everything_else_in_the_image_follows(told: dict[str, Any], scene: str) -> None:
    before, after = told[f"{scene}-enlarge"]["before"], told[f"{scene}-enlarge"]["after"]
    assert after["size"] == [80, 60]
    assert named(after["layers"], "Below")["size"] == [20, 16]
    assert named(after["layers"], "Below")["offsets"] == [6, 4]
    assert after["channels"] == [["Kept", 80]]
    assert after["paths"] == ["Line"]
    assert sorted(after["guides"]) == [14, 22]
    assert after["resolution"] == before["resolution"]
    assert [each["name"] for each in after["layers"]] == [each["name"] for each in before["layers"]]


def test_everything_follows_a_factor_that_is_not_whole(told: dict[str, Any]) -> None:
    before, after = told["dressed-enlarge-2.5"]["before"], told["dressed-enlarge-2.5"]["after"]
    assert after["size"] == [100, 75]
    photo = {"size": [100, 75], "offsets": [-10, 15], "mask": [100, 75]}
    assert named(after["layers"], "Photo") == {**named(before["layers"], "Photo"), **photo}
    assert named(after["layers"], "Below")["offsets"] == [8, 5]
    assert named(after["layers"], "Below")["size"] == [25, 20]
    assert after["channels"] == [["Kept", 100]]
    assert sorted(after["guides"]) == pytest.approx([17.5, 27.5], abs=0.5)
    assert after["lines"] == pytest.approx([2.5 * each for each in before["lines"]], rel=1e-3)
    assert after["resolution"] == before["resolution"]


@pytest.mark.parametrize(("scene", "size"), [("dressed", [80, 60]), ("selected_dressed", [40, 24])])
def test_a_layer_of_a_new_image_looks_as_its_source_does(
    told: dict[str, Any], gimp: GimpSession, scene: str, size: list[int]
) -> None:
    before = named(told[f"{scene}-new"]["before"]["layers"], "Photo")
    after = told[f"{scene}-new"]["after"]
    assert after["size"] == size
    assert after["layers"] == [{**before, "size": size, "offsets": [0, 0], "mask": size}]
    mask = picture_of(gimp.kept(f"{scene}-new.Photo.mask"), size[0], 1)[:, :, 0]
    first = 0 if scene == "dressed" else 12  # the selection begins six columns into the layer
    assert (mask[:, : 20 - first] == 40).all()
    assert (mask[:, 32 - first :] == 255).all()


@pytest.mark.parametrize(("output", "offsets"), [("enlarge", [-8, 12]), ("layer", [-4, 6])])
def test_the_layer_keeps_all_its_attributes(told: dict[str, Any], output: str, offsets: list[int]) -> None:
    before = named(told[f"dressed-{output}"]["before"]["layers"], "Photo")
    after = named(told[f"dressed-{output}"]["after"]["layers"], "Photo")
    changed = {"size": [80, 60], "offsets": offsets, "mask": [80, 60]}
    assert after == {**before, **changed}


def test_a_layer_mask_is_enlarged_with_its_layer(gimp: GimpSession, told: dict[str, Any]) -> None:
    assert told["dressed-enlarge"]["after"]
    mask = picture_of(gimp.kept("dressed-enlarge.Photo.mask"), 80, 1)[:, :, 0]
    assert (mask[:, :20] == 40).all()
    assert (mask[:, 32:] == 255).all()


def test_layer_output_leaves_the_rest_of_the_image_alone(told: dict[str, Any]) -> None:
    before, after = told["dressed-layer"]["before"], told["dressed-layer"]["after"]
    for each in ("size", "channels", "paths", "guides", "selection", "resolution"):
        assert after[each] == before[each], each
    assert named(after["layers"], "Below") == named(before["layers"], "Below")


def test_a_nested_layer_stays_in_its_group_at_its_place(told: dict[str, Any]) -> None:
    for output, offsets in (("enlarge", [4, 6]), ("layer", [2, 3])):
        group = named(told[f"nested-{output}"]["after"]["layers"], "Group")
        assert [each["name"] for each in group["children"]] == ["Photo copy", "Photo"]
        assert named(group["children"], "Photo")["offsets"] == offsets
        assert named(group["children"], "Photo")["size"] == [80, 60]


@pytest.mark.parametrize(("scene", "effects"), [("group", []), ("group_effects", ["gegl:gaussian-blur"])])
def test_a_group_becomes_a_layer_of_its_rendered_pixels_and_keeps_its_effects(
    gimp: GimpSession, model_server: ModelServer, told: dict[str, Any], scene: str, effects: list[str]
) -> None:
    width, height = named(told[f"{scene}-enlarge"]["before"]["layers"], "Group")["size"]
    group = named(told[f"{scene}-enlarge"]["after"]["layers"], "Group")
    assert group["children"] is None
    assert group["size"] == [2 * width, 2 * height]
    assert group["effects"] == effects
    source = gimp.kept(f"{scene}-enlarge.0.before")
    expected = model_server.upscale(source, width, height, "RGBA", "u8", model="fixed", detail=0.5)
    assert gimp.kept(f"{scene}-enlarge.Group.after") == expected
    assert gimp.kept("group-new.Group.after") == expected


@pytest.mark.parametrize(("output", "scale"), [("enlarge", 2), ("layer", 1)])
def test_the_mask_of_a_group_is_not_cut_when_its_only_layer_is_replaced(
    gimp: GimpSession, told: dict[str, Any], output: str, scale: int
) -> None:
    assert named(told[f"masked_group-{output}"]["after"]["layers"], "Photo")["size"] == [80, 60]
    mask = picture_of(gimp.kept(f"masked_group-{output}.Group.mask"), 80, 1)[:, :, 0]
    assert (mask[: 30 * scale, : 11 * scale] == 40).all()
    assert (mask[: 30 * scale, 15 * scale : 40 * scale] == 255).all()


def test_indexed_becomes_rgb(told: dict[str, Any]) -> None:
    for output in ("enlarge", "layer"):
        assert told[f"indexed-{output}"]["before"]["base"] == "indexed"
        assert told[f"indexed-{output}"]["after"]["base"] == "rgb"


def test_several_layers_are_each_enlarged(told: dict[str, Any]) -> None:
    after = told["several-enlarge"]["after"]
    assert [each["name"] for each in after["layers"]] == ["Photo", "Below", "Second"]
    assert named(after["layers"], "Second")["size"] == [80, 60]
    assert named(after["layers"], "Second")["offsets"] == [10, -6]
    new = told["several-new"]["after"]
    assert new["size"] == [90, 66]
    assert [(each["name"], each["offsets"]) for each in new["layers"]] == [("Photo", [0, 6]), ("Second", [10, 0])]


def test_several_layers_with_a_selection_are_each_enlarged_in_one_run(told: dict[str, Any]) -> None:
    enlarged = told["selected_several-enlarge"]["after"]
    assert [each["name"] for each in enlarged["layers"]] == ["Photo", "Below", "Second"]
    assert {tuple(named(enlarged["layers"], each)["size"]) for each in ("Photo", "Second")} == {(80, 60)}
    patches = told["selected_several-layer"]["after"]["layers"]
    assert [each["name"] for each in patches] == ["Photo x2", "Photo", "Below", "Second x2", "Second"]
    for name in ("Photo x2", "Second x2"):
        assert (named(patches, name)["offsets"], named(patches, name)["size"]) == ([8, 6], [36, 28])
    new = told["selected_several-new"]["after"]
    assert new["size"] == [36, 28]
    assert [(each["name"], each["size"]) for each in new["layers"]] == [("Photo", [36, 28]), ("Second", [36, 28])]


def test_a_new_image_has_the_resolution_and_comment_of_its_source(told: dict[str, Any]) -> None:
    before, after = told["several-new"]["before"], told["several-new"]["after"]
    assert (after["resolution"], after["comment"]) == (before["resolution"], True)


def test_lengths_of_moved_effects_grow_with_the_layer_and_what_keeps_its_size_is_named(gimp: GimpSession) -> None:
    outcome = gimp.start("""
for output, scale in (("enlarge", 2.0), ("layer", 2.5), ("new", 3.0)):
    image, layer = picture(40, 30, "RGBA")
    for operation, settings in (
        ("gegl:dropshadow", {"x": 6.0, "y": -3.0, "radius": 2.5, "grow-radius": 1.0, "opacity": 0.5}),
        ("gegl:gaussian-blur", {"std-dev-x": 900.0}),
        ("gegl:invert-linear", {}),
        ("gegl:edge", {"amount": 3.0}),
    ):
        effect = Gimp.DrawableFilter.new(layer, operation, operation)
        for name, value in settings.items():
            effect.get_config().set_property(name, value)
        effect.update()
        layer.append_filter(effect)
    status, made = upscale(image, output=output, scale=scale)
    assert status == "success", made
    found = {each.get_operation_name(): each.get_config() for each in made.get_layers()[0].get_filters()}
    shadow = found["gegl:dropshadow"]
    answer(output, [shadow.get_property(name) for name in ("x", "y", "radius", "grow-radius", "opacity")]
        + [found["gegl:gaussian-blur"].get_property("std-dev-x"), found["gegl:edge"].get_property("amount")])
""")
    outcome.must_succeed()
    told = json.loads((gimp.work / "answers.json").read_text())
    assert told == {
        "enlarge": [12.0, -6.0, 5.0, 2.0, 0.5, 1500.0, 3.0],
        "layer": [15.0, -7.5, 6.25, 2.5, 0.5, 1500.0, 3.0],
        "new": [18.0, -9.0, 7.5, 3.0, 0.5, 1500.0, 3.0],
    }
    notice = "keep their size in pixels: gegl:gaussian-blur, gegl:edge. Adjust them by hand."
    assert (outcome.errors + outcome.output).count(notice) == 3


def test_a_new_image_keeps_how_it_is_proofed(gimp: GimpSession) -> None:
    told = gimp.run(f"""
image, layer = picture(40, 30, "RGB")
image.set_simulation_profile(Gimp.ColorProfile.new_from_file(Gio.File.new_for_path({WIDE!r})))
image.set_simulation_intent(Gimp.ColorRenderingIntent.SATURATION)
image.set_simulation_bpc(True)
status, made = upscale(image, output="new")
answer("proof", [made.get_simulation_profile().get_label(), made.get_simulation_intent().value_nick,
    made.get_simulation_bpc(), image.get_simulation_profile().get_label()])
""")
    profile, intent, compensated, own = told["proof"]
    assert (profile, intent, compensated) == (own, "saturation", True)


def test_effects_move_to_the_new_layer_unless_they_cannot(told: dict[str, Any], gimp: GimpSession) -> None:
    moved = named(told["effects-enlarge"]["after"]["layers"], "Photo")
    assert moved["effects"] == ["gegl:invert-linear", "gegl:gaussian-blur"]
    merged = named(told["partial_effect-enlarge"]["after"]["layers"], "Photo")
    assert merged["effects"] == []
    before = picture_of(gimp.kept("partial_effect-enlarge.0.before"), 40, 4)
    after = picture_of(gimp.kept("partial_effect-enlarge.Photo.after"), 80, 4)
    means = before[12:, 4:14, :3].mean() - after[24:, 8:28, :3].mean()
    assert abs(means) > 20, "the inverted half should be inverted"
    assert abs(before[:, 20:, :3].mean() - after[:, 40:, :3].mean()) < 3, "the other half should not"


def test_effects_become_part_of_what_is_blended_in_or_pasted_through_a_selection(
    told: dict[str, Any], gimp: GimpSession
) -> None:
    blended = named(told["selected_partial_effect-enlarge"]["after"]["layers"], "Photo")
    assert blended["effects"] == []
    before = picture_of(gimp.kept("selected_partial_effect-enlarge.0.before"), 40, 4)[..., :3]
    after = picture_of(gimp.kept("selected_partial_effect-enlarge.Photo.after"), 80, 4)[..., :3]
    for inside in (slice(8, 19), slice(21, 29)):  # rows inside of the selection and below it
        rows = slice(2 * inside.start, 2 * inside.stop)
        inverted = before[inside, 9:14].mean() - after[rows, 18:28].mean()
        assert abs(inverted) > 20, "the inverted half should be inverted once"
        assert abs(before[inside, 17:25].mean() - after[rows, 34:50].mean()) < 3, "the other half should not"
    patch = picture_of(gimp.kept("selected_effects-layer.Photo x2.after"), 36, 4)[..., :3]
    raw = picture_of(gimp.kept("selected_effects-layer.0.before"), 40, 4)[6:20, 8:26, :3]
    assert patch.std() < raw.std() * 0.9, "the patch should be as soft as the layer looks"


def test_with_a_selection_only_the_selected_pixels_are_neural(
    gimp: GimpSession, model_server: ModelServer, told: dict[str, Any]
) -> None:
    source = gimp.kept("selected-enlarge.0.before")
    neural = model_server.upscale(source, 40, 30, "RGBA", "u8", model="fixed", detail=0.5)
    neural = picture_of(neural, 80, 4)
    after = picture_of(gimp.kept("selected-enlarge.Photo.after"), 80, 4)
    mask = picture_of(gimp.kept("selected-enlarge.selection"), 80, 1)[:, :, 0]
    mask = numpy.roll(mask, (-4, -2), (0, 1))[:, :]  # the layer lies at (2, 4) now
    sure = (mask == 255) & (neural[:, :, 3] == 255)
    assert sure.any()
    assert numpy.abs(after - neural)[sure].max() <= 1
    assert told["selected-enlarge"]["after"]["size"] == [80, 60]
    locked = picture_of(gimp.kept("selected_locked-enlarge.Photo.after"), 80, 4)
    assert (numpy.abs(locked - after)[mask == 0] == 0).all()
    assert numpy.abs(locked - neural)[sure].max() <= 1


def test_with_a_selection_layer_and_new_give_a_patch_with_the_mask_as_alpha(
    gimp: GimpSession, model_server: ModelServer, told: dict[str, Any]
) -> None:
    left, top, right, bottom = told["selected-layer"]["before"]["selection"][1:]
    left, top = max(left, 1), max(top, 2)
    width, height = min(right, 41) - left, min(bottom, 32) - top
    patch = named(told["selected-layer"]["after"]["layers"], "Photo x2")
    assert patch["size"] == [2 * width, 2 * height]
    assert patch["offsets"] == [left, top]
    assert told["selected-new"]["after"]["size"] == [2 * width, 2 * height]
    one = gimp.kept("selected-layer.Photo x2.after")
    assert one == gimp.kept("selected-new.Photo.after")
    source = gimp.kept("selected-layer.0.before")
    whole = picture_of(model_server.upscale(source, 40, 30, "RGBA", "u8", model="fixed", detail=0.5), 80, 4)
    x, y = 2 * (left - 1), 2 * (top - 2)
    expected, got = whole[y : y + 2 * height, x : x + 2 * width], picture_of(one, 2 * width, 4)
    assert numpy.abs(expected - got)[..., :3][got[..., 3] > 0].max() <= 1
    assert got[0, 0, 3] < 30
    assert got[height, width, 3] == 255


def test_text_with_a_selection_becomes_pixels(told: dict[str, Any]) -> None:
    before = named(told["selected_text-enlarge"]["before"]["layers"], "Gimp")
    after = named(told["selected_text-enlarge"]["after"]["layers"], "Gimp")
    assert before["text"]
    assert not after["text"]
    assert after["size"] == [2 * side for side in before["size"]]
