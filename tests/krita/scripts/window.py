"""The user's way: menu, dialog with preview, OK, result, undo; with screenshots."""

from inside import QtCore, QtTest, QtWidgets, answer, krita, layers, pixels, rectangle, screenshot, undo, until


def entries():
    """Every entry of the menus with its path."""

    def walk(menu, path):
        for action in menu.actions():
            text = action.text().replace("&", "")
            if action.menu():
                yield from walk(action.menu(), [*path, text])
            elif text:
                yield [*path, text], action

    return list(walk(krita.activeWindow().qwindow().menuBar(), []))


def open_menus(path):
    """Open the menus that lead to an entry, as a click on each would; the last of them is what to close again."""
    menu, place = krita.activeWindow().qwindow().menuBar(), None
    for text in path[:-1]:
        action = next(each for each in menu.actions() if each.text().replace("&", "") == text)
        area = menu.actionGeometry(action)
        place = menu.mapToGlobal(area.bottomLeft() if place is None else area.topRight())
        menu = action.menu()
        menu.popup(place)
        yield 0.3
    menu.setActiveAction(menu.actions()[0])
    yield 0.3
    return menu


def close_menus():
    while QtWidgets.QApplication.activePopupWidget() is not None:
        QtWidgets.QApplication.activePopupWidget().close()


def dialog():
    found = QtWidgets.QApplication.activeModalWidget()
    return found if found is not None and found.objectName() == "neural_upscale_dialog" else None


def right_half(view):
    """The picture right of the divider, as it is on the screen."""
    half = view.width() // 2
    buffer = QtCore.QBuffer()
    buffer.open(QtCore.QIODevice.OpenModeFlag.WriteOnly)
    view.grab().copy(half + 4, 0, half - 4, view.height()).save(buffer, "PNG")
    return bytes(buffer.data())


def click(widget, point):
    QtTest.QTest.mouseClick(widget, QtCore.Qt.MouseButton.LeftButton, QtCore.Qt.KeyboardModifier.NoModifier, point)


def steps():
    from neural_upscale.run_guard import GUARD

    document = krita.activeDocument()
    node = document.activeNode()
    size = document.width(), document.height()
    before, tree = pixels(node, 0, 0, *size), layers(document)
    found = [(path, action) for path, action in entries() if "Neural Upscale" in path[-1]]
    answer(entries=[path for path, _ in found], names=[action.objectName() for _, action in found])
    krita.activeWindow().qwindow().showMaximized()
    yield 0.5
    menu = yield from open_menus(found[0][0])
    answer(in_menu=[each.text().replace("&", "") for each in menu.actions() if "Neural" in each.text()])
    screenshot("menu")
    close_menus()
    ask = next(action for path, action in found if path[-1].endswith("…"))
    QtCore.QTimer.singleShot(0, ask.trigger)
    yield from until(dialog)
    shown = dialog()
    controls = shown.options
    yield from until(lambda: controls.models.findData("slow") > 0)  # "fixed" may be there from last time
    labels = shown.findChildren(QtWidgets.QLabel)
    answer(loose=[each.text() for each in labels if "&" in each.text() and each.buddy() is None])
    models = [controls.models.itemData(index) for index in range(controls.models.count())]
    controls.models.setCurrentIndex(controls.models.findData("fixed"))
    view = shown.preview.view
    controls.detail.bar.setValue(0)
    yield from until(shown.preview.settled)
    yield 0.3
    faithful, left = right_half(view), view.before.copy()
    controls.detail.bar.setValue(20)
    yield 0.5
    yield from until(shown.preview.settled)
    yield 0.3
    detailed = right_half(view)
    answer(models=models, same_left=view.before == left, differs=faithful != detailed, detail=shown.settings().detail)
    yield from until(lambda: shown.estimate.text())
    answer(estimate=shown.estimate.text())
    answer(cleanup_of_pair=[controls.cleanup.automatic.isEnabled(), controls.cleanup.toolTip()])
    controls.models.setCurrentIndex(controls.models.findData("whole"))
    yield from until(lambda: controls.cleanup.text.text())
    answer(automatic=shown.settings().cleanup, estimated=controls.cleanup.text.text())
    shown._reach.listed.emit(controls._listing)  # as from a server that lists its models later than it enlarges
    answer(still_estimated=controls.cleanup.text.text())
    controls.cleanup.automatic.setChecked(False)
    controls.cleanup.bar.setValue(4)
    yield 0.5
    yield from until(shown.preview.settled)
    yield 0.3
    cleaned = right_half(view)
    controls.cleanup.bar.setValue(0)
    yield 0.5
    yield from until(shown.preview.settled)
    yield 0.3
    answer(cleanup_differs=cleaned != right_half(view), cleanup=shown.settings().cleanup)
    screenshot("cleanup")
    controls.cleanup.automatic.setChecked(True)
    controls.models.setCurrentIndex(controls.models.findData("fixed"))
    yield 0.5
    yield from until(shown.preview.settled)
    click(view, QtCore.QPoint(view.width() // 4, 50))
    answer(divider=view.divider)
    yield 0.2
    thumbnail = shown.preview.thumbnail
    framed = thumbnail.patch
    click(thumbnail, QtCore.QPoint(thumbnail.width() - 5, thumbnail.height() - 5))
    yield 0.5
    yield from until(shown.preview.settled)
    moved = thumbnail.patch
    answer(framed=framed.centre, moved=[moved.right, moved.bottom], bounds=rectangle(node))
    click(view, QtCore.QPoint(view.width() // 2, 50))
    eye_catcher = QtCore.QPoint(int(thumbnail.width() * 0.47), int(thumbnail.height() * 0.52))
    click(thumbnail, eye_catcher)
    if "compact" in models:  # these pictures are for the documentation: show real weights where there are any
        controls.models.setCurrentIndex(controls.models.findData("compact"))
    yield 0.5
    yield from until(shown.preview.settled)
    yield 0.3
    screenshot("dialog")
    answer(chosen=shown.settings().to_text())
    shown.accept()
    yield from until(lambda: document.width() == 2 * size[0] and GUARD.current is None)
    krita.action("zoom_to_fit").trigger()
    yield 0.8
    screenshot("result")
    answer(size=[document.width(), document.height()], layers=layers(document))
    yield from undo(document)
    screenshot("undone")
    answer(undone=pixels(node, 0, 0, *size) == before and layers(document) == tree)
    answer(kept=krita.readSetting("neural_upscale", "last_options", ""))
    krita.action("neural_upscale_x2_repeat").trigger()
    yield from until(lambda: document.width() == 2 * size[0] and GUARD.current is None)
    answer(repeated=[document.width(), document.height()])
