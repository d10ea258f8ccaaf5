"""What comes with the result beside its pixels, in real Krita."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.hosts.model_server import ModelServer
from tests.krita.krita_session import KritaSession

pytestmark = [pytest.mark.krita, pytest.mark.versions]

MAKE, MODEL = 0x010F, 0x0110


@pytest.fixture(scope="module")
def told(krita: KritaSession, model_server: ModelServer) -> dict[str, Any]:
    model_server.announce(krita.work)
    metadata = Image.Exif()
    metadata[MAKE], metadata[MODEL] = "Maker", "Model 7"
    Image.radial_gradient("L").convert("RGB").resize((64, 48)).save(krita.work / "my holiday.jpg", exif=metadata)
    return krita.run("keeping", opened="my\\ holiday.jpg").answers()


@pytest.mark.parametrize("name", ["enlarged", "new"])
def test_exif_data_are_exported_with_the_result(name: str, told: dict[str, Any], krita: KritaSession) -> None:
    assert told[name]
    with Image.open(krita.work / f"{name}.jpg") as opened:
        assert opened.size == (128, 96)
        found = opened.getexif()
    assert (found.get(MAKE), found.get(MODEL)) == ("Maker", "Model 7")


def test_new_document_is_named_after_the_file(told: dict[str, Any]) -> None:
    assert told["name"] == "my holiday x2"
    assert told["unnamed"] == "test x2", "a document that was never saved keeps the name that it has"


def test_new_document_keeps_how_the_layer_looks(told: dict[str, Any]) -> None:
    assert (told["opacity"], told["mode"], told["label"], told["locked"]) == (100, "multiply", 3, True)


def test_new_document_keeps_masks_twice_as_large(told: dict[str, Any], krita: KritaSession) -> None:
    assert told["tree"][0][4][0][:2] == ["mask", "transparencymask"]
    found = np.frombuffer((krita.work / "kept-mask.bin").read_bytes(), np.uint8).reshape(60, 80).astype(float)
    expected = np.broadcast_to(np.minimum(255, 6 * np.arange(40)), (30, 40))
    assert abs(found.reshape(30, 2, 40, 2).mean(axis=(1, 3)) - expected).mean() < 2


def test_a_hidden_layer_is_visible_in_a_document_of_its_own(told: dict[str, Any]) -> None:
    assert told["new_visible"]
