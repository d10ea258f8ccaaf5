"""Measuring: the conventions of the literature, held against known numbers."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from trainer.cli.main import main
from trainer.errors import EvaluationError
from trainer.metrics.evaluation import evaluate
from trainer.metrics.psnr_ssim import luma, luma_psnr
from weights import WeightsMetadata, build_generator, save_generator


@pytest.mark.parametrize(("name", "expected"), [("Set5", 33.67), ("Set14", 30.33), ("B100", 29.56)])
def test_bicubic_comes_out_as_published(shared: Path, name: str, expected: float) -> None:
    (row,) = evaluate({}, shared / "bench" / name)
    assert row.psnr == pytest.approx(expected, abs=0.05)


def test_luma_is_bt601_studio_range() -> None:
    white, black, red = ([255] * 3, [0] * 3, [255, 0, 0])
    values = luma(np.array([[white, black, red]], np.uint8))[0]
    assert values == pytest.approx([235, 16, 81.481], abs=1e-3)


def test_the_border_does_not_count() -> None:
    reference = np.full((8, 8, 3), 100, np.uint8)
    picture = reference.copy()
    picture[:2] = picture[-2:] = 255
    picture[:, :2] = picture[:, -2:] = 255
    assert luma_psnr(picture, reference) == float("inf")


def test_psnr_of_a_constant_grey_error_of_ten_steps() -> None:
    reference = np.full((9, 9, 3), 100, np.uint8)
    error = 10 * 219 / 255
    assert luma_psnr(reference + 10, reference) == pytest.approx(10 * np.log10(255**2 / error**2))


def test_worse_than_bicubic_is_a_failure(tmp_path: Path) -> None:
    picture = np.random.default_rng(0).integers(0, 256, (12, 12, 3), np.uint8)
    Image.fromarray(picture).resize((72, 72), Image.Resampling.BICUBIC).save(tmp_path / "a.png")
    generator = build_generator("espcn")
    for parameter in generator.parameters():
        parameter.data.zero_()
    file = tmp_path / "nearest.safetensors"
    save_generator(generator, WeightsMetadata("", {}, 2, 4), file)
    assert main(["evaluate", str(file), "--images", str(tmp_path)]) == 1
    assert main(["evaluate", "--images", str(tmp_path)]) == 0


@pytest.mark.parametrize("content", [None, b"no picture"])
def test_a_folder_that_cannot_be_measured_is_named(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / "a.png").write_bytes(content)
    with pytest.raises(EvaluationError, match=r"expected (at least one|a picture); (check|remove)"):
        evaluate({}, tmp_path)
