"""The driver of these tests itself."""

from __future__ import annotations

import pytest

from tests.krita.krita_session import KritaSession


@pytest.mark.krita
def test_a_modal_box_inside_a_step_ends_krita_and_its_text_is_told(krita: KritaSession) -> None:
    outcome = krita.run("boxed", timeout=280).outcome
    assert outcome.code == 1
    assert "The disk is full of birds." in outcome.errors
