# Every kind of layer under every kind of selection, for test_selections.py; runs inside GIMP, after inside.py.
# ruff: noqa: F821 (the helpers of inside.py)
CANVAS = (60, 44)
SELECTIONS = {
    "none": lambda _image: None,
    "hard": lambda image: image.select_rectangle(Gimp.ChannelOps.REPLACE, 18, 12, 16, 12),
    "feathered": lambda image: (
        image.select_ellipse(Gimp.ChannelOps.REPLACE, 14, 10, 22, 18), Gimp.Selection.feather(image, 5),
    ),
    "partly outside": lambda image: image.select_rectangle(Gimp.ChannelOps.REPLACE, 0, 0, 20, 16),
}  # fmt: skip


def canvas(kind):
    image, layer = picture(40, 30, kind)
    image.resize(*CANVAS, 6, 4)
    return image, layer


def plain():
    return canvas("RGB")


def transparent():
    return canvas("RGBA")


def grey():
    return canvas("GRAYA")


def indexed():
    image, layer = canvas("RGB")
    image.convert_indexed(Gimp.ConvertDitherType.NONE, Gimp.ConvertPaletteType.GENERATE, 24, False, False, "")
    return image, layer


def masked():
    image, layer = canvas("RGBA")
    layer.add_mask(layer.create_mask(Gimp.AddMaskType.WHITE))
    paint(layer.get_mask(), bytes(255 if x > 12 else 40 for y in range(30) for x in range(40)))
    return image, layer


def effects():
    image, layer = canvas("RGBA")
    effect = Gimp.DrawableFilter.new(layer, "gegl:invert-linear", "Inverted")
    effect.update()
    layer.append_filter(effect)
    return image, layer


def group():
    image, layer = canvas("RGBA")
    folder = Gimp.GroupLayer.new(image, "Group")
    image.insert_layer(folder, None, 0)
    image.reorder_item(layer, folder, 0)
    return image, folder


def text():
    image, _layer = canvas("RGBA")
    words = Gimp.TextLayer.new(image, "Gimp", Gimp.context_get_font(), 18, Gimp.Unit.pixel())
    image.insert_layer(words, None, 0)
    words.set_offsets(8, 6)
    return image, words


def vector():
    image, _layer = canvas("RGBA")
    path = Gimp.Path.new(image, "Triangle")
    image.insert_path(path, None, 0)
    path.stroke_new_from_points(
        Gimp.PathStrokeType.BEZIER,
        [9.3, 7.2, 9.3, 7.2, 9.3, 7.2, 41.6, 10.1, 41.6, 10.1, 41.6, 10.1, 25.5, 31.7, 25.5, 31.7, 25.5, 31.7],
        True,
    )
    layer = Gimp.VectorLayer.new(image, path)
    image.insert_layer(layer, None, 0)
    layer.refresh()
    return image, layer


def link():
    file = Gio.File.new_for_path("/job/linked.png")
    Gimp.file_save(Gimp.RunMode.NONINTERACTIVE, picture(40, 30, "RGBA")[0], file, None)
    image, _layer = canvas("RGBA")
    layer = Gimp.LinkLayer.new(image, file)
    image.insert_layer(layer, None, 0)
    layer.set_offsets(7, 5)
    return image, layer


def own_scaling(like, data, offsets, encoding, scale):
    """What GIMP's own Scale Image makes of a layer with these pixels: size, place, pixels."""
    base, kind = KINDS[{"R": "RGB", "Y": "GRAY"}[encoding[0]] + ("A" if "A" in encoding.split()[0] else "")]
    image = Gimp.Image.new(*CANVAS, base)
    layer = Gimp.Layer.new(image, "own", *like, kind, 100, Gimp.LayerMode.NORMAL)
    image.insert_layer(layer, None, 0)
    layer.set_offsets(*offsets)
    paint(layer, data, encoding)
    Gimp.context_push()
    Gimp.context_set_interpolation(Gimp.InterpolationType.CUBIC)
    image.scale(int(scale * CANVAS[0]), int(scale * CANVAS[1]))
    Gimp.context_pop()
    made = pixels(layer, encoding)
    image.delete()
    return made


def enlarge(kind, selection, output, scale):
    name = f"{kind}-{selection}-{output}-{scale}"
    image, layer = globals()[kind]()
    encoding = {"plain": "R'G'B' u8", "indexed": "R'G'B' u8", "grey": "Y'A u8"}.get(kind, "R'G'B'A u8")
    offsets, size = list(layer.get_offsets())[1:], [layer.get_width(), layer.get_height()]
    before = pixels(layer, encoding)
    SELECTIONS[selection](image)
    keep(f"{name}.before", before)
    keep(f"{name}.scaled", own_scaling(size, before, offsets, encoding, scale))
    place = image.get_item_position(layer)
    status, made = upscale(image, [layer], output=output, detail=0.5, scale=scale)
    assert status == "success", (name, made)
    result = made.get_layers()[0 if output == "new" else place]
    keep(f"{name}.after", pixels(result, encoding.replace("R'G'B' ", "R'G'B'A ") if output != "enlarge" else encoding))
    keep(f"{name}.mask", pixels(image.get_selection(), "Y u8"))
    if output == "layer" and selection != "none":
        keep(f"{name}.left", pixels(made.get_layers()[place + 1], encoding))
    answer(name, [offsets, size, list(result.get_offsets())[1:], [result.get_width(), result.get_height()]])
    made.delete()
    if output == "new":
        image.delete()
