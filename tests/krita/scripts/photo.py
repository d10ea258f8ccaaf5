"""Opens a photo's twin as Krita reads it, runs upscale() as the Scripter would, gives back both pixel sets."""

from inside import answer, krita, layers, parameters, pixels, save, screenshot, undo


def steps():
    document = krita.activeDocument()
    node = document.activeNode()
    width, height = document.width(), document.height()
    before = pixels(node, 0, 0, width, height)
    save("before.bin", before)
    tree = layers(document)
    import neural_upscale

    result = neural_upscale.upscale(**parameters())
    width2, height2 = document.width(), document.height()
    save("shown.bin", bytes(document.pixelData(0, 0, width2, height2)))  # at once: what the canvas shows
    yield 0.6
    save("after.bin", pixels(result, 0, 0, width2, height2))
    answer(size=[width2, height2], active=document.activeNode().name(), layers=layers(document))
    screenshot("enlarged")
    yield from undo(document)
    answer(undone=[document.width(), document.height()], undone_exactly=pixels(node, 0, 0, width, height) == before)
    answer(same_layers=layers(document) == tree)
    neural_upscale.upscale(**parameters())
    yield from undo(document)  # at once, as the message advises
    yield 2.5  # whatever was still to be done with the layer that is gone
    active = document.activeNode()
    answer(active_after_undo=active.name() if active is not None else None)
    neural_upscale.help()
