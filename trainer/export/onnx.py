"""Writes a generator as ONNX: pictures in, pictures twice as large out, any size; checked in onnxruntime."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from trainer.errors import ConfigError, TrainingError
from weights import Enlarge, load_generator
from weights.atomic import atomic_write

OPSET = 17
TOLERANCE = 1e-4  # values 0…1
_SIZES = ((32, 48), (41, 24))


def export_onnx(weights: Path) -> Path:
    """Write NAME.onnx beside a weights file.

    Args:
        weights: A `.safetensors` file.

    Returns:
        The ONNX file: input `low_res` (N, 3, H, W), output `high_res` (N, 3, 2H, 2W), float32, RGB, 0…1; the weights
        file's metadata is kept in it.

    Raises:
        ConfigError: onnx or onnxruntime is not installed.
        TrainingError: onnxruntime computes something else; nothing is left behind.
    """
    try:
        import onnx
        import onnxruntime
    except ImportError as error:
        raise ConfigError(f'--onnx needs {error.name}; install it with: pip install "neural-upscale[onnx]"') from error
    loaded = load_generator(weights)
    whole = Enlarge(loaded.generator).eval()
    target = weights.with_suffix(".onnx")
    with atomic_write(target) as draft:
        _write(whole, draft)
        model = onnx.load(str(draft))
        for name, value in loaded.metadata.to_strings().items():
            entry = model.metadata_props.add()
            entry.key, entry.value = name, value if isinstance(value, str) else json.dumps(value)
        onnx.checker.check_model(model)
        onnx.save(model, str(draft))
        _check(onnxruntime.InferenceSession(str(draft), providers=["CPUExecutionProvider"]), whole)
    return target


def _write(whole: nn.Module, path: Path) -> None:
    axes = {"low_res": {0: "n", 2: "h", 3: "w"}, "high_res": {0: "n", 2: "h2", 3: "w2"}}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the older exporter is announced as such; the newer needs one package more
        torch.onnx.export(
            whole,
            (torch.rand(1, 3, 32, 32),),
            str(path),
            input_names=["low_res"],
            output_names=["high_res"],
            dynamic_axes=axes,
            opset_version=OPSET,
            dynamo=False,
        )


@torch.no_grad()
def _check(session: Any, whole: nn.Module) -> None:
    for height, width in _SIZES:
        low_res = torch.rand(2, 3, height, width, generator=torch.Generator().manual_seed(height))
        (ours,) = session.run(["high_res"], {"low_res": low_res.numpy()})
        difference = float(np.abs(ours - whole(low_res).numpy()).max())
        if not difference <= TOLERANCE:
            raise TrainingError(
                f"onnxruntime differs from torch by {difference:.2e} on {width}×{height} pixels, expected at most "
                f"{TOLERANCE}; nothing was written; update onnx and onnxruntime"
            )
