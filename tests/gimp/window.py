# A user at GIMP's window, for test_window.py; runs inside GIMP with a display, after inside.py.
# ruff: noqa: F821 (the helpers of inside.py)
DIALOG = "^Neural Upscale$"
MESSAGE = "^GIMP Message$"
THUMBNAIL = (24, 300)  # its corner in the dialog at its first size, for a picture of 600×420


def shot(name, window="root"):
    subprocess.run(["import", "-window", window, f"/job/{name}.png"], check=True)


def settled(name, window, unlike=None, preview=True, quiet=2):
    """Keep a screenshot of a window that was quiet for these seconds, and differs from another one; returns its pixels.

    With `preview` it has to show one, else only something of its own: what is not drawn yet shows what lies below.
    """
    keyboard("mousemove", "1599", "999")  # a tooltip would hide a part of the window
    seen, since = None, time.monotonic()
    until = time.monotonic() + 120
    while time.monotonic() < until:
        now = subprocess.run(
            ["import", "-window", window, "-depth", "8", "rgb:-"], capture_output=True, check=True
        ).stdout
        if now != seen:
            seen, since = now, time.monotonic()
        elif (
            time.monotonic() - since > quiet
            and seen != unlike
            and is_drawn(seen)
            and has_preview(seen, window) >= preview
        ):
            break
        time.sleep(0.5)
    shot(name, window)
    return seen


def is_drawn(seen):
    """Return whether a window's border has the toolkit's one colour."""
    return seen[:3] != b"\0\0\0" and seen[:300] == seen[:3] * 100


def window_of(title, seconds=90):
    found = []

    def is_there():
        found[:] = keyboard("search", "--onlyvisible", "--name", title).split()
        return found

    if not wait_for(is_there, seconds):
        shot("no-window")
        raise AssertionError(f"no window is called {title!r}")
    return found[-1]


def press(title, *keys):
    keyboard("windowactivate", "--sync", window_of(title))
    for key in keys:
        keyboard("key", key)
        time.sleep(0.4)


def gone(title, seconds=90):
    assert wait_for(lambda: not keyboard("search", "--onlyvisible", "--name", title), seconds), (
        f"{title} is still there"
    )


def is_size(image, width, height):
    """Wait until an image is as large as this and has its layer back, which is out of it while GIMP scales."""
    return wait_for(lambda: (image.get_width(), image.get_height()) == (width, height) and image.get_layers(), 90)


def window_title(image):
    return f" {image.get_width()}x{image.get_height()} "


def show(image):
    image.clean_all()
    display = Gimp.Display.new(image)
    Gimp.displays_flush()
    title = window_title(image)
    window_of(title)
    time.sleep(1)
    return display, title


def click(title, x, y):
    """Click into a window, at a place counted from its right and bottom when negative."""
    window = window_of(title)
    keyboard("windowactivate", "--sync", window)
    told = dict(line.split("=") for line in keyboard("getwindowgeometry", "--shell", window).splitlines())
    left = int(told["X"]) + (x if x >= 0 else int(told["WIDTH"]) + x)
    top = int(told["Y"]) + (y if y >= 0 else int(told["HEIGHT"]) + y)
    keyboard("mousemove", "--sync", str(left), str(top), "click", "1")


def click_at(window, x, y):
    """Click at a place of a window, as its screenshot shows it."""
    keyboard("mousemove", "--window", window, str(x), str(y), "click", "1")


def has_preview(seen, window):
    return divider_in(seen, window) is not None


def divider_in(shown, window):
    """Find the preview's divider, two white columns beside a black one, in a window's RGB bytes; x and top, or None.

    It is as high as the picture, which grows with the window and is lower where the layer is. The frame of a picture
    that has the focus has one white column only.
    """
    told = dict(line.split("=") for line in keyboard("getwindowgeometry", "--shell", window).splitlines())
    width = int(told["WIDTH"])
    through = 3 * width * 200  # a row of which every picture has a part
    for x in range(1, width - 1):
        if shown[through + 3 * x : through + 3 * x + 3] == b"\xff\xff\xff":
            places = range(3 * (x - 1), len(shown) - 8, 3 * width)
            rows = [row for row, at in enumerate(places) if shown[at : at + 9] == b"\0\0\0" + b"\xff" * 6]
            if len(rows) >= 280:
                return x, rows[0]
    return None


def message(name):
    """Wait for GIMP's message window, keep a screenshot, close it."""
    window_of(MESSAGE)
    time.sleep(1)
    shot(name)
    press(MESSAGE, "Return")
    gone(MESSAGE)


def repeat(title):
    """Press Ctrl+F: Repeat Last, without the dialog."""
    press(title, "ctrl+f")


def held():
    """Wait until the gate has the server's answer and holds it back."""
    assert wait_for(lambda: Path("/job/gate-held").exists(), 60), "the gate saw no request"


def release():
    Path("/job/gate-hold").unlink()


def hold():
    Path("/job/gate-hold").touch()


def new_image_since(known):
    found = [each for each in Gimp.get_images() if each.get_id() not in known]
    return found[0] if found else None
