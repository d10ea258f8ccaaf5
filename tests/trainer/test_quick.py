"""The preset `quick` learns: on a small CPU, in a fixed number of steps, it gains over bicubic."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from trainer.config import config_of
from trainer.data.batches import PatchBatches, reduce_patch
from trainer.data.patch_set import PatchSet
from trainer.metrics.pictures import bicubic
from trainer.metrics.psnr_ssim import luma_psnr
from trainer.presets import PRESETS
from trainer.training.session import train_pixel_phase
from trainer.training.validation import Validator


def test_the_quick_preset_gains_over_bicubic_within_a_hundred_and_fifty_steps(
    patch_set: PatchSet, tmp_path: Path
) -> None:
    config = config_of(PRESETS["quick"] | {"max_minutes": 0.0, "pixel_steps": 150, "loader_workers": 0})
    phase = train_pixel_phase(patch_set, config, tmp_path / "run", torch.device("cpu"))
    validator = Validator(patch_set.validation, config, torch.device("cpu"), None)
    patches = [reduce_patch(PatchBatches(patch_set.validation, config).patch(number)) for number in range(2)]
    plain = float(np.mean([luma_psnr(bicubic(low_res), high_res) for low_res, high_res in patches]))
    assert validator(phase.finished()).psnr > plain + 0.5
