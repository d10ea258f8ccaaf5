"""The weights files that the project ships: complete, documented, better than bicubic, readable by others."""

import json
import re
from pathlib import Path

import pytest
import torch
from torch import Tensor

import weights
from trainer.metrics.evaluation import evaluate
from trainer.metrics.pictures import enlarger_of
from weights import enlarge, load_generator, parameter_count, read_metadata
from weights.torchvision_operators import declare_operators

FOLDER = Path(weights.__file__).parent
SHIPPED = sorted(FOLDER.glob("*.safetensors"))
FAITHFUL = FOLDER / "compact-faithful.safetensors"


@pytest.fixture(params=SHIPPED, ids=lambda path: path.stem)
def shipped(request: pytest.FixtureRequest) -> Path:
    path: Path = request.param
    return path


def test_the_default_without_a_gpu_is_shipped() -> None:
    assert FAITHFUL in SHIPPED


def test_every_shipped_file_passes_all_checks(shipped: Path) -> None:
    metadata = load_generator(shipped).metadata
    assert metadata.title
    assert metadata.licence
    assert {"command", "commit", "data_hash", "steps"} <= set(metadata.provenance)


def test_every_shipped_file_has_a_card_that_names_its_hash_and_figures(shipped: Path) -> None:
    metadata = read_metadata(shipped)
    card = shipped.with_suffix(".md").read_text(encoding="utf-8")
    assert metadata.sha256[:12] in card
    for name in ("Set5", "Set14", "B100"):
        assert f"{metadata.metrics[name]['generator']:.2f}" in card
    assert metadata.provenance["command"] in card
    assert "What it does badly" in card


@pytest.mark.timeout(900)  # a hundred pictures, on machines that have other work too
@pytest.mark.parametrize(("name", "gain"), [("Set5", 3.4), pytest.param("B100", 2.1, marks=pytest.mark.slow)])
def test_compact_faithful_beats_bicubic(shared: Path, name: str, gain: float) -> None:
    loaded = load_generator(FAITHFUL)
    bicubic, ours = evaluate({"ours": enlarger_of(loaded.generator)}, shared / "bench" / name)
    assert ours.psnr - bicubic.psnr >= gain
    assert ours.psnr == pytest.approx(loaded.metadata.metrics[name]["generator"], abs=0.02)


def test_no_shipped_file_or_card_names_a_folder_of_one_machine(shipped: Path) -> None:
    told = json.dumps(read_metadata(shipped).provenance) + shipped.with_suffix(".md").read_text(encoding="utf-8")
    assert re.findall(r"(?<![\w.~}])/(?:work|root|tmp|home/\w+)/", told) == []


def test_compact_files_stay_below_300_000_parameters(shipped: Path) -> None:
    loaded = load_generator(shipped)
    if loaded.metadata.architecture == "compact":
        assert parameter_count(loaded.generator) <= 300_000


def test_compact_faithful_has_an_exact_halo() -> None:
    loaded = load_generator(FAITHFUL)
    assert loaded.metadata.halo == loaded.generator.receptive_radius
    assert loaded.metadata.metrics["halo_error"] == 0


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning")
def test_compact_faithful_gives_the_same_pixels_in_spandrel() -> None:
    declare_operators()
    spandrel = pytest.importorskip("spandrel")
    model = spandrel.ModelLoader().load_from_file(FAITHFUL)
    assert model.architecture.id == "Compact"
    assert model.scale == 2
    picture = torch.rand(1, 3, 24, 31, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        theirs: Tensor = model.model.eval()(picture)
        ours = enlarge(load_generator(FAITHFUL).generator, picture)
    assert torch.equal(ours, theirs)
