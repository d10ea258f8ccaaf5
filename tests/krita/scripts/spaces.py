"""For each colour space: a layer with an offset in a document of that space, enlarged and undone."""

from inside import (
    JOB,
    add_layer,
    answer,
    choose,
    close,
    krita,
    layers,
    new_document,
    parameters,
    pixels,
    rectangle,
    save,
    shown,
    undo,
)

SIZE = 48, 40
REGION = 6, 5, 33, 27
FACTORS = 2, 2.5


def own_pixels(row):
    """The row's pixels; for CMYK as Krita itself separates an RGB picture: any other separation would not come back."""
    given = (JOB / row["file"]).read_bytes()
    if row["model"] != "CMYKA":
        return given
    document = new_document(*REGION[2:], "RGBA", "F32", "sRGB-elle-V2-srgbtrc.icc")
    node = add_layer(document, "rgb", given, (0, 0, *REGION[2:]))
    assert node.setColorSpace(row["model"], row["depth"], row["profile"])
    separated = pixels(node, 0, 0, *REGION[2:])
    close(document)
    return separated


def enlarge(row):
    import neural_upscale
    from neural_upscale import source as taken
    from neural_upscale.client import Enlargement, Region
    from neural_upscale.pixels import exchange

    document = yield from shown(*SIZE, row["model"], row["depth"], row["profile"], 144.0)
    document.setHorizontalGuides([10.0])
    document.setGuidesVisible(True)  # Krita itself scales guides only while they are shown
    node = add_layer(document, "layer", own_pixels(row), REGION)
    yield from choose(document, node)
    before, tree = pixels(node, *REGION), layers(document)
    canvas = Region(0, 0, *SIZE)
    source = taken.take(document, node, Enlargement(canvas, canvas.doubled()), "x2")
    save(f"{row['key']}.sent", exchange.to_send(source))
    told = {"format": [source.format.layout, source.format.depth, source.format.transfer], "notices": source.notices}
    told["read_back"] = before == own_pixels(row)
    save(f"{row['key']}.before", before)
    if row["new"]:
        told["new"] = yield from as_new_document(row)
    result = neural_upscale.upscale(model="fixed")
    yield 0.2
    x, y, width, height = [2 * each for each in REGION]
    save(f"{row['key']}.after", pixels(result, x, y, width, height))
    told.update(
        bounds=rectangle(result), canvas=[document.width(), document.height()], resolution=document.xRes(),
        profile=result.colorProfile(), guides=document.horizontalGuides(), document_profile=document.colorProfile(),
    )  # fmt: skip
    yield from undo(document)
    told["undone"] = pixels(node, *REGION) == before and layers(document) == tree and document.width() == SIZE[0]
    close(document)
    yield 0.2
    answer(**{row["key"]: told})


def as_new_document(row):
    """The same as a new document: what is kept, and the user's own document untouched by it."""
    import neural_upscale

    before = krita.activeDocument()
    tree, entry = layers(before), krita.action("edit_undo").text()
    made = neural_upscale.upscale(model="fixed", output="new")
    node = made.topLevelNodes()[0]
    save(f"{row['key']}.new", pixels(node, *[2 * each for each in REGION]))
    told = {
        "canvas": [made.width(), made.height()], "resolution": made.xRes(), "guides": made.horizontalGuides(),
        "space": [made.colorModel(), made.colorDepth(), made.colorProfile()], "bounds": rectangle(node),
        "untouched": [layers(before), before.width()] == [tree, SIZE[0]] and made != before,
    }  # fmt: skip
    made.waitForDone()
    yield 0.2
    made.setModified(False)  # so that nothing is asked; at the last moment, or late updates set it again
    krita.action("file_close").trigger()  # as its user closes it; after made.close() Krita's actions do nothing
    yield 0.4
    told["entry"] = krita.action("edit_undo").text() == entry
    return told


def enlarge_bands(row):
    """Flat bands of colours, some of which sRGB does not hold, with a model that is shipped."""
    import neural_upscale

    document = yield from shown(128, 32, row["model"], row["depth"], row["profile"])
    node = add_layer(document, "bands", (JOB / row["bands"]).read_bytes(), (0, 0, 128, 32))
    yield from choose(document, node)
    for factor in FACTORS:
        yield from choose(document, node)
        result = neural_upscale.upscale(model="compact-faithful", scale=factor)
        save(f"{row['bands']}.{factor}", pixels(result, 0, 0, int(factor * 128), int(factor * 32)))
        yield from undo(document)
    close(document)
    yield 0.2


def steps():
    for row in parameters()["rows"]:
        yield from enlarge(row)
        if "bands" in row:
            yield from enlarge_bands(row)
