"""What both plug-ins reckon with: places, cutting, the preview's patch, and the latest request."""

from __future__ import annotations

import threading
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.client import Cancel, Size
from server.client.geometry import Region, cut, fingerprint
from server.client.preview import LatestOnly, fitted, patch_about, pointed_at

SIDES = st.integers(1, 60)
PLACES = st.integers(-50, 50)
REGIONS = st.builds(Region, PLACES, PLACES, SIDES, SIDES)


@given(REGIONS, REGIONS)
def test_what_two_regions_share_lies_in_both_and_in_their_union(one: Region, other: Region) -> None:
    shared, around = one.intersected(other), one.united(other)
    assert one.intersected(around) == one
    assert other.intersected(around) == other
    if not shared.is_empty:
        assert shared.intersected(one) == shared
        assert shared.doubled() == one.doubled().intersected(other.doubled())


@given(REGIONS, st.builds(Size, st.integers(1, 200), st.integers(1, 200)), PLACES, PLACES)
def test_a_patch_lies_inside_its_layer_as_large_as_fits(bounds: Region, size: Size, x: int, y: int) -> None:
    patch = patch_about((x, y), bounds, size)
    assert patch.intersected(bounds) == patch
    assert patch.size == Size(min(size.width, bounds.width), min(size.height, bounds.height))


@given(st.integers(1, 9000), st.integers(1, 9000), st.floats(-5, 200), st.floats(-5, 200))
def test_every_point_of_a_thumbnail_is_a_pixel_of_the_layer(width: int, height: int, x: float, y: float) -> None:
    bounds = Region(-7, 11, width, height)
    thumbnail = fitted(bounds.size, Size(160, 160))
    assert thumbnail.width <= 160
    assert thumbnail.height <= 160
    across, down = pointed_at((x, y), thumbnail, bounds)
    assert bounds.x <= across < bounds.right
    assert bounds.y <= down < bounds.bottom


@given(st.data())
def test_a_cut_is_the_rows_of_its_part(data: st.DataObject) -> None:
    whole = data.draw(REGIONS)
    x = data.draw(st.integers(whole.x, whole.right - 1))
    y = data.draw(st.integers(whole.y, whole.bottom - 1))
    part = Region(x, y, data.draw(st.integers(1, whole.right - x)), data.draw(st.integers(1, whole.bottom - y)))
    pixels = b"".join(bytes((row % 256, column % 256)) for row in range(whole.height) for column in range(whole.width))
    got = bytes(cut(pixels, whole, part, 2))
    expected = b"".join(
        bytes(((part.y - whole.y + row) % 256, (part.x - whole.x + column) % 256))
        for row in range(part.height)
        for column in range(part.width)
    )
    assert got == expected


def test_a_part_that_sticks_out_is_refused() -> None:
    with pytest.raises(ValueError, match="is not inside of"):
        cut(bytes(12), Region(0, 0, 4, 3), Region(2, 1, 3, 1), 1)


def test_a_fingerprint_notices_one_changed_bit() -> None:
    pixels = bytearray(1000)
    before = fingerprint(pixels)
    pixels[500] ^= 1
    assert fingerprint(pixels) != before


def test_only_the_latest_of_many_requests_is_worked_on() -> None:
    done: list[int] = []
    finished = threading.Event()

    def work(request: int, _cancel: Cancel) -> None:
        done.append(request)
        finished.set()

    latest: LatestOnly[int] = LatestOnly(work, quiet=0.1)
    for request in range(5):
        latest.ask(request)
    assert finished.wait(20)
    time.sleep(0.3)
    latest.end()
    assert done == [4]


def test_a_newer_wish_cancels_the_one_under_way() -> None:
    told: list[tuple[int, bool]] = []
    begun, finished = threading.Event(), threading.Event()

    def work(request: int, cancel: Cancel) -> None:
        begun.set()
        if request == 1:
            until = time.monotonic() + 20
            while not cancel.cancelled and time.monotonic() < until:
                time.sleep(0.01)
        told.append((request, cancel.cancelled))
        if request == 2:
            finished.set()

    latest: LatestOnly[int] = LatestOnly(work, quiet=0.0)
    latest.ask(1)
    assert begun.wait(20)
    latest.ask(2)
    assert finished.wait(20)
    latest.end()
    assert told == [(1, True), (2, False)]
