"""Half precision is chosen where it is fast, and learns what float32 learns."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from tests.trainer.conftest import take_step, tiny
from trainer.data.batches import PatchBatches
from trainer.data.patch_set import PatchSet
from trainer.training.adversarial_step import AdversarialPhase
from trainer.training.pixel_step import PixelPhase
from trainer.training.precision import compute_dtype, cpu_capabilities, multiplies_bfloat16
from weights import build_generator

CPU = torch.device("cpu")


@pytest.mark.parametrize(
    ("capabilities", "fast"),
    [
        ({"avx512_bf16": True, "amx_bf16": False}, True),
        ({"avx512_bf16": False, "amx_bf16": True}, True),
        ({"avx512_f": True, "avx512_bf16": False}, False),
        ({"avx2": True}, False),
        ({}, False),
    ],
)
def test_bfloat16_needs_instructions_that_multiply_it(capabilities: dict[str, bool], fast: bool) -> None:
    assert multiplies_bfloat16(capabilities) == (fast and torch.backends.mkldnn.is_available())


def test_auto_follows_the_processor_and_the_settings_overrule_it() -> None:
    cpu = torch.device("cpu")
    fast = multiplies_bfloat16(cpu_capabilities())
    assert compute_dtype(tiny(precision="auto"), cpu) == (torch.bfloat16 if fast else torch.float32)
    assert compute_dtype(tiny(precision="float32"), cpu) == torch.float32
    assert compute_dtype(tiny(precision="bfloat16"), cpu) == torch.bfloat16


def test_in_float16_it_learns_what_it_learns_in_float32(patch_set: PatchSet) -> None:
    losses = {}
    for precision in ("float32", "float16"):
        config = tiny(precision=precision, batch_size=4, learning_rate=4e-3, gradient_clip=1.0, expansion=0)
        phase, reader = PixelPhase(config, CPU), PatchBatches(patch_set.train, config)
        losses[precision] = [take_step(phase, reader[step])["loss"] for step in range(40)]
    assert np.mean(losses["float16"][-5:]) < 0.9 * np.mean(losses["float16"][:5])
    assert np.mean(losses["float16"][-5:]) == pytest.approx(np.mean(losses["float32"][-5:]), rel=0.02)


def test_a_step_beyond_float16_is_skipped_with_half_the_scale_which_a_checkpoint_keeps(patch_set: PatchSet) -> None:
    phase = PixelPhase(tiny(precision="float16"), CPU)
    batch = PatchBatches(patch_set.train, phase.config)[0]
    take_step(phase, batch)
    scale = 1e30
    phase.scaler.load_state_dict(phase.scaler.state_dict() | {"scale": scale})
    before = [each.clone() for each in phase.generator.parameters()]
    take_step(phase, batch)
    assert all(torch.equal(one, other) for one, other in zip(before, phase.generator.parameters(), strict=True))
    again = PixelPhase(phase.config, CPU)
    again.restore(phase.state(), Path())
    assert again.scaler.get_scale() == pytest.approx(scale / 2)


def test_both_networks_learn_in_float16(patch_set: PatchSet) -> None:
    values = {"discriminator": "unet_sn", "adversarial_weight": 0.1}
    moves = []
    for precision in ("float32", "float16"):
        config = tiny(precision=precision, **values)
        torch.manual_seed(0)
        phase = AdversarialPhase(config, CPU, build_generator("compact", dict(config.generator)), None)
        for scaler in phase.scalers().values():  # so that no step is skipped
            scaler.load_state_dict(scaler.state_dict() | {"scale": 1024.0})
        parameters = [*phase.generator.parameters(), *phase.discriminator.parameters()]
        before = torch.cat([each.detach().flatten() for each in parameters])
        for step in range(3):
            take_step(phase, PatchBatches(patch_set.train, config)[step])
        moves.append(torch.cat([each.detach().flatten() for each in parameters]) - before)
    assert torch.nn.functional.cosine_similarity(*moves, dim=0) > 0.9


def test_the_processor_is_known_by_the_names_of_the_kernel() -> None:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="ascii").splitlines()
        flags = set(next(line for line in lines if line.startswith("flags")).split())
    except (OSError, StopIteration):
        pytest.skip("no /proc/cpuinfo with flags on this system")
    known = cpu_capabilities()
    if not known:
        pytest.skip("this torch does not say what the processor can do")
    assert known["avx512_bf16"] == ("avx512_bf16" in flags)
    assert known["amx_bf16"] == ("amx_bf16" in flags)


@pytest.mark.parametrize(
    ("capability", "dtype"), [((6, 1), torch.float32), ((7, 5), torch.float16), ((8, 0), torch.bfloat16)]
)
def test_each_gpu_computes_in_what_it_is_built_for(
    capability: tuple[int, int], dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: capability)
    assert compute_dtype(tiny(precision="auto"), torch.device("cuda")) == dtype
