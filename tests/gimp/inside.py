"""Runs inside GIMP's Python batch interpreter, before each script of a test: helpers, and the way back to the test.

`answer(name, value)` keeps a JSON value, `keep(name, bytes)` a file; both are read by `gimp_session.GimpSession`.
"""

import hashlib
import json
import subprocess
import sys
import time
from pathlib import Path

import gi

gi.require_version("Gimp", "3.0")
gi.require_version("Gegl", "0.4")
from gi.repository import Babl, Gegl, Gimp, Gio  # noqa: E402

Gegl.init(None)
ANSWERS = {}
PROCEDURE = "plug-in-neural-upscale-x2"
KINDS = {
    "RGB": (Gimp.ImageBaseType.RGB, Gimp.ImageType.RGB_IMAGE),
    "RGBA": (Gimp.ImageBaseType.RGB, Gimp.ImageType.RGBA_IMAGE),
    "GRAY": (Gimp.ImageBaseType.GRAY, Gimp.ImageType.GRAY_IMAGE),
    "GRAYA": (Gimp.ImageBaseType.GRAY, Gimp.ImageType.GRAYA_IMAGE),
}


def answer(name, value):
    ANSWERS[name] = value
    Path("/job/answers.json.new").write_text(json.dumps(ANSWERS), encoding="utf-8")
    Path("/job/answers.json.new").replace("/job/answers.json")


def keep(name, data):
    Path(f"/job/{name}").write_bytes(data)


def rectangle(x, y, width, height):
    return Gegl.Rectangle.new(x, y, width, height)


def pixels(drawable, name=None):
    """All pixels, as GIMP keeps them when no format is named."""
    whole = rectangle(0, 0, drawable.get_width(), drawable.get_height())
    return bytes(drawable.get_buffer().get(whole, 1.0, name, Gegl.AbyssPolicy.NONE))


def paint(drawable, data, name=None, at=(0, 0), size=None):
    width, height = size or (drawable.get_width(), drawable.get_height())
    name = name or Babl.get_name(drawable.get_format())
    buffer = drawable.get_buffer()
    buffer.set(rectangle(*at, width, height), name, bytes(data))
    buffer.flush()
    drawable.update(*at, width, height)


def scene(width, height, samples):
    """A little picture in 8 bits: waves, an edge and some noise, different in every channel; alpha with holes."""
    data = bytearray()
    for y in range(height):
        for x in range(width):
            for channel in range(samples):
                wave = (x * (3 + channel) + y * (5 - channel) + (x * y) // 7) % 200
                data.append(wave + (40 if x > width // 2 else 0))
            if samples in (2, 4):
                data[-1] = 0 if (x - 5) ** 2 + (y - 5) ** 2 < 9 else 128 if x < 4 else 255
    return bytes(data)


def picture(width=24, height=18, kind="RGB", precision=Gimp.Precision.U8_NON_LINEAR, profile=None):
    """An image with one layer, filled with the scene; returns both."""
    base, kind_of_layer = KINDS[kind]
    image = Gimp.Image.new_with_precision(width, height, base, precision)
    if profile:
        image.set_color_profile(Gimp.ColorProfile.new_from_file(Gio.File.new_for_path(profile)))
    layer = Gimp.Layer.new(image, "Photo", width, height, kind_of_layer, 100, Gimp.LayerMode.NORMAL)
    image.insert_layer(layer, None, 0)
    samples = {"RGB": 3, "RGBA": 4, "GRAY": 1, "GRAYA": 2}[kind]
    encoding = {"RGB": "R'G'B' u8", "RGBA": "R'G'B'A u8", "GRAY": "Y' u8", "GRAYA": "Y'A u8"}[kind]
    paint(layer, scene(width, height, samples), Babl.get_name(Babl.format_with_space(encoding, layer.get_format())))
    return image, layer


def upscale(image, drawables=None, model="fixed", mode=Gimp.RunMode.NONINTERACTIVE, **arguments):
    """Call the procedure; returns (status, result or message)."""
    procedure = Gimp.get_pdb().lookup_procedure(PROCEDURE)
    config = procedure.create_config()
    config.set_property("run-mode", mode)
    config.set_property("image", image)
    config.set_core_object_array("drawables", image.get_selected_layers() if drawables is None else drawables)
    config.set_property("model", model)
    for name, value in arguments.items():
        config.set_property(name, value)
    values = procedure.run(config)
    status = values.index(0).value_nick
    return status, values.index(1) if values.length() > 1 else Gimp.get_pdb().get_last_error()


def shape(item):
    """What a layer is, as plain values."""
    mask = item.get_mask()
    return {
        "name": item.get_name(),
        "size": [item.get_width(), item.get_height()],
        "offsets": list(item.get_offsets())[1:],
        "format": Babl.get_name(item.get_format()),
        "opacity": item.get_opacity(),
        "mode": item.get_mode().value_nick,
        "visible": item.get_visible(),
        "locks": [item.get_lock_alpha(), item.get_lock_content(), item.get_lock_position(), item.get_lock_visibility()],
        "tattoo": item.get_tattoo(),
        "colour_tag": item.get_color_tag().value_nick,
        "parasites": item.get_parasite_list(),
        "effects": [each.get_operation_name() for each in item.get_filters()],
        "mask": None if mask is None else [mask.get_width(), mask.get_height()],
        "text": item.is_text_layer(),
        "children": [shape(each) for each in item.get_children()] if item.is_group_layer() else None,
    }


def structure(image):
    """What an image is, as plain values, pixels as hashes."""
    guides = []
    guide = image.find_next_guide(0)
    while guide:
        guides.append(image.get_guide_position(guide))
        guide = image.find_next_guide(guide)

    def hashes(items):
        found = []
        for each in items:
            found.append(hashlib.sha256(pixels(each)).hexdigest())
            if each.get_mask() is not None:
                found.append(hashlib.sha256(pixels(each.get_mask())).hexdigest())
            if each.is_group_layer():
                found += hashes(each.get_children())
        return found

    return {
        "size": [image.get_width(), image.get_height()],
        "base": image.get_base_type().value_nick,
        "precision": image.get_precision().value_nick,
        "layers": [shape(each) for each in image.get_layers()],
        "channels": [[each.get_name(), each.get_width()] for each in image.get_channels()],
        "paths": [each.get_name() for each in image.get_paths()],
        "lines": [each.stroke_get_length(one, 1.0) for each in image.get_paths() for one in each.get_strokes()],
        "selection": list(Gimp.Selection.bounds(image))[1:],
        "guides": guides,
        "resolution": list(image.get_resolution())[1:],
        "comment": image.get_parasite("gimp-comment") is not None,
        "pixels": hashes(image.get_layers()),
    }


def keyboard(*arguments):
    """Run xdotool; returns what it says."""
    return subprocess.run(["xdotool", *arguments], capture_output=True, text=True, check=False).stdout.strip()


def wait_for(condition, seconds=20.0):
    """Wait until a condition holds; says whether it did."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if condition():
            return True
        time.sleep(0.1)
    return False


def undo(image):
    """Press Ctrl+Z in the image's window (it needs a display) and wait until the image is no longer what it was."""
    before = structure(image)
    title = f" {image.get_width()}x{image.get_height()} "
    if not wait_for(lambda: keyboard("search", "--onlyvisible", "--name", title)):
        raise AssertionError(f"no window has{title}in its title")
    window = keyboard("search", "--onlyvisible", "--name", title).split()[-1]
    keyboard("windowactivate", "--sync", window)
    keyboard("key", "--window", "0", "ctrl+z")
    if not wait_for(lambda: structure(image) != before):
        raise AssertionError("Ctrl+Z changed nothing")
    return structure(image)


def say(*words):
    print(*words)
    sys.stdout.flush()
