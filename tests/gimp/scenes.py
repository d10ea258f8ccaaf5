# Documents for test_documents.py; runs inside GIMP with a display, after inside.py. A scene returns (image, drawables).
# ruff: noqa: F821 (the helpers of inside.py)


def companions(image):
    """Add to an image everything that has to follow when it is enlarged."""
    below = Gimp.Layer.new(image, "Below", 10, 8, image.get_layers()[0].type(), 100, Gimp.LayerMode.NORMAL)
    image.insert_layer(below, None, len(image.get_layers()))
    below.set_offsets(3, 2)
    Gimp.context_set_foreground(Gegl.Color.new("red"))
    below.fill(Gimp.FillType.FOREGROUND)
    channel = Gimp.Channel.new(image, "Kept", image.get_width(), image.get_height(), 50, Gegl.Color.new("blue"))
    image.insert_channel(channel, None, 0)
    path = Gimp.Path.new(image, "Line")
    image.insert_path(path, None, 0)
    path.stroke_new_from_points(Gimp.PathStrokeType.BEZIER, [1.0, 1, 1, 1, 1, 1, 9, 7, 9, 7, 9, 7], False)
    image.add_hguide(7)
    image.add_vguide(11)
    image.set_resolution(240, 240)
    image.attach_parasite(Gimp.Parasite.new("gimp-comment", 1, b"seen from the bridge"))
    image.set_selected_layers([image.get_layers()[0]])


def plain():
    image, layer = picture(40, 30, "RGB")
    companions(image)
    return image, [layer]


def dressed():
    image, layer = picture(40, 30, "RGBA")
    companions(image)
    layer.set_opacity(60)
    layer.set_mode(Gimp.LayerMode.MULTIPLY)
    layer.set_composite_mode(Gimp.LayerCompositeMode.INTERSECTION)
    layer.set_color_tag(Gimp.ColorTag.RED)
    layer.attach_parasite(Gimp.Parasite.new("note", 1, b"hello"))
    layer.set_tattoo(4711)
    mask = layer.create_mask(Gimp.AddMaskType.WHITE)
    layer.add_mask(mask)
    paint(mask, bytes(255 if x > 12 else 40 for y in range(30) for x in range(40)))
    layer.set_offsets(-4, 6)
    layer.set_lock_alpha(True)
    layer.set_lock_position(True)
    layer.set_lock_content(True)
    return image, [layer]


def nested():
    image, layer = picture(40, 30, "RGBA")
    companions(image)
    group = Gimp.GroupLayer.new(image, "Group")
    image.insert_layer(group, None, 0)
    other = layer.copy()
    image.insert_layer(other, group, 0)
    image.reorder_item(layer, group, 1)
    layer.set_offsets(2, 3)
    return image, [layer]


def group():
    image, (layer,) = nested()
    return image, [layer.get_parent()]


def masked_group():
    """The layer is the only child of a group whose mask GIMP cuts to the group's children."""
    image, layer = picture(40, 30, "RGBA")
    companions(image)
    group = Gimp.GroupLayer.new(image, "Group")
    image.insert_layer(group, None, 0)
    image.reorder_item(layer, group, 0)
    layer.set_offsets(2, 3)
    mask = group.create_mask(Gimp.AddMaskType.WHITE)
    group.add_mask(mask)
    paint(mask, bytes(255 if x > 12 else 40 for y in range(30) for x in range(40)))
    return image, [layer]


def group_effects():
    image, (folder,) = group()
    add_effects(folder, ("gegl:gaussian-blur", "Soft", {"std-dev-x": 2.0, "std-dev-y": 1.0}))
    return image, [folder]


def depth(precision, profile=""):
    """A layer of any precision, beside the canvas' corner."""
    image, layer = picture(24, 18, "RGBA", getattr(Gimp.Precision, precision), profile or None)
    layer.set_offsets(-3, 5)
    return image, [layer]


def text():
    image, _layer = picture(60, 40, "RGBA")
    words = Gimp.TextLayer.new(image, "Gimp", Gimp.context_get_font(), 18, Gimp.Unit.pixel())
    image.insert_layer(words, None, 0)
    words.set_offsets(4, 5)
    return image, [words]


def indexed():
    image, layer = picture(40, 30, "RGBA")
    image.convert_indexed(Gimp.ConvertDitherType.NONE, Gimp.ConvertPaletteType.GENERATE, 24, False, False, "")
    return image, [layer]


def several():
    image, layer = picture(40, 30, "RGBA")
    companions(image)
    second = layer.copy()
    second.set_name("Second")
    image.insert_layer(second, None, 2)
    second.set_offsets(5, -3)
    return image, [layer, second]


def add_effects(layer, *wanted):
    for operation, name, settings in wanted:
        effect = Gimp.DrawableFilter.new(layer, operation, name)
        config = effect.get_config()
        for key, value in settings.items():
            config.set_property(key, value)
        effect.set_opacity(0.7)
        effect.update()
        layer.append_filter(effect)


def effects():
    image, layer = picture(40, 30, "RGBA")
    add_effects(
        layer,
        ("gegl:gaussian-blur", "Soft", {"std-dev-x": 2.0, "std-dev-y": 1.0}),
        ("gegl:invert-linear", "Inverted", {}),
    )
    return image, [layer]


def partial_effect():
    image, layer = picture(40, 30, "RGBA")
    image.select_rectangle(Gimp.ChannelOps.REPLACE, 0, 0, 15, 30)
    effect = Gimp.DrawableFilter.new(layer, "gegl:invert-linear", "Half")
    effect.update()
    layer.append_filter(effect)
    Gimp.Selection.none(image)
    return image, [layer]


def selected_several():
    image, drawables = several()
    image.select_rectangle(Gimp.ChannelOps.REPLACE, 8, 6, 18, 14)
    return image, drawables


def selected_dressed():
    image, drawables = dressed()
    image.select_rectangle(Gimp.ChannelOps.REPLACE, 2, 10, 20, 12)
    return image, drawables


def selected_partial_effect():
    image, drawables = partial_effect()
    image.select_rectangle(Gimp.ChannelOps.REPLACE, 8, 6, 18, 14)
    return image, drawables


def selected_effects():
    image, drawables = effects()
    image.select_rectangle(Gimp.ChannelOps.REPLACE, 8, 6, 18, 14)
    return image, drawables


def selected():
    image, layer = picture(40, 30, "RGBA")
    companions(image)
    layer.set_offsets(1, 2)
    image.select_ellipse(Gimp.ChannelOps.REPLACE, 8, 6, 18, 14)
    Gimp.Selection.feather(image, 3)
    return image, [layer]


def selected_text():
    image, drawables = text()
    image.select_rectangle(Gimp.ChannelOps.REPLACE, 6, 6, 12, 10)
    return image, drawables


def selected_locked():
    image, drawables = selected()
    drawables[0].set_lock_content(True)
    drawables[0].set_lock_alpha(True)
    return image, drawables


def run_scene(scene, output, scale=2.0):
    """Upscale a scene in its window, then press Ctrl+Z; answers what there was before, after, and after undo."""
    name = f"{scene}-{output}" + (f"-{scale}" if scale != 2.0 else "")
    scene, *arguments = scene.split(":")
    image, drawables = globals()[scene](*arguments)
    kept = name.replace("/", "_")
    image.clean_all()
    display = Gimp.Display.new(image)
    Gimp.displays_flush()
    before = structure(image)
    names = [each.get_name() for each in drawables]
    for number, each in enumerate(drawables):
        readable = "R'G'B'A u8" if image.get_base_type() == Gimp.ImageBaseType.INDEXED else None
        keep(f"{kept}.{number}.before", pixels(each, readable))
    status, made = upscale(image, drawables, output=output, detail=0.5, scale=scale)
    assert status == "success", (name, made)
    after = structure(made)
    for each in every_layer(made.get_layers()):
        if each.get_name() in names or output != "enlarge":
            keep(f"{kept}.{each.get_name()}.after", pixels(each))
        if each.get_mask() is not None:
            keep(f"{kept}.{each.get_name()}.mask", pixels(each.get_mask()))
    if area := Gimp.Selection.bounds(made)[1]:
        keep(f"{kept}.selection", pixels(made.get_selection()))
    undone = None if output == "new" else undo(image)
    display.delete()
    if output == "new":
        made.delete()
    answer(name, {"before": before, "after": after, "undone": undone, "area": bool(area)})


def every_layer(layers):
    for each in layers:
        yield each
        if each.is_group_layer():
            yield from every_layer(each.get_children())
