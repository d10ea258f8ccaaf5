"""Where parts of a picture lie in the enlarged one."""

from __future__ import annotations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from server.client import CONTEXT, Enlargement, Region

SIDES, PLACES = st.integers(1, 300), st.integers(-200, 200)
REGIONS = st.builds(Region, PLACES, PLACES, SIDES, SIDES)


@given(REGIONS, REGIONS, st.floats(1, 8))
def test_parts_that_touch_before_touch_after(whole: Region, part: Region, factor: float) -> None:
    grown = Enlargement(whole, whole.scaled(factor, factor))
    right = Region(part.right, part.y, 7, part.height)
    assert grown.of(part).right == grown.of(right).x
    assert grown.of(whole) == grown.after


@given(REGIONS, st.data(), st.sampled_from((2.0, 2.5, 3.0, 4 / 3, 7.75)))
def test_what_is_sent_has_its_context_and_begins_with_a_whole_pixel_of_the_result(
    whole: Region, data: st.DataObject, factor: float
) -> None:
    assume(whole.width >= 12)
    x = data.draw(st.integers(whole.x, whole.right - 12))
    width = 12 * data.draw(st.integers(1, (whole.right - x) // 12))  # a whole number of pixels at every factor
    part = Region(x, whole.y, width, whole.height)
    size = part.size.enlarged(factor)
    grown = Enlargement(part, Region(0, 0, size.width, size.height))
    sent = grown.with_context(part, whole)
    assert part.grown(CONTEXT).intersected(whole).intersected(sent) == part.grown(CONTEXT).intersected(whole)
    assert sent.intersected(whole) == sent
    if sent.x > whole.x:
        assert (sent.x - part.x) * factor == pytest.approx(round((sent.x - part.x) * factor))
