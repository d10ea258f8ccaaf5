"""bfloat16 is chosen where the processor multiplies it, and nowhere else."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from tests.trainer.conftest import tiny
from trainer.training.precision import compute_dtype, cpu_capabilities, multiplies_bfloat16


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


@pytest.mark.parametrize(("capability", "dtype"), [((7, 5), torch.float32), ((8, 0), torch.bfloat16)])
def test_bfloat16_is_chosen_from_compute_capability_8_on(
    capability: tuple[int, int], dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: capability)
    assert compute_dtype(tiny(precision="auto"), torch.device("cuda")) == dtype
