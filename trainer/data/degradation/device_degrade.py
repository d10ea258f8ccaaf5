"""The degradation on the device, for GPUs faster than Pillow: the same draws as `degrade`, on whole batches.

Blur, reduction and JPEG agree with Pillow's to rounding; the noise has the same strength but other samples.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from trainer.data.degradation.degrade import REDUCTIONS, Degradation
from trainer.data.degradation.device_jpeg import compress
from trainer.srgb import linear_to_srgb, srgb_to_linear

_SUPPORT = {"area": 0.5, "bicubic": 2.0, "lanczos": 3.0}
_BLUR_REACH = 4  # pixels; a standard deviation above 1.3 would be cut short


def degrade_batch(high_res: Tensor, degradations: Sequence[Degradation]) -> Tensor:
    """Carry out what was drawn for each patch of a batch.

    Args:
        high_res: (N, 3, sH, sW) uint8, on any device, s being the scale.
        degradations: One per patch, all with the same scale.

    Returns:
        (N, 3, H, W) uint8 on the same device.
    """
    pictures = high_res.float()
    blur = pictures.new_tensor([item.blur for item in degradations])
    if bool((blur > 0).any()):
        pictures = torch.where((blur > 0).view(-1, 1, 1, 1), _blurred(pictures, blur), pictures)
    scale = degradations[0].scale
    low_res = pictures.new_empty(len(degradations), 3, pictures.shape[2] // scale, pictures.shape[3] // scale)
    for name in REDUCTIONS:
        chosen = [index for index, item in enumerate(degradations) if item.reduction == name]
        if chosen:
            low_res[chosen] = reduced(pictures[chosen], name, scale)
    low_res = _noisy(low_res, degradations)
    quality = torch.tensor([item.quality for item in degradations], device=high_res.device)
    if bool((quality > 0).any()):
        half_chroma = torch.tensor([item.half_chroma for item in degradations], device=high_res.device)
        low_res = compress(low_res, quality, half_chroma)
    return low_res.to(torch.uint8)


def reduced(pictures: Tensor, reduction: str, scale: int) -> Tensor:
    """Reduce as Pillow does.

    Args:
        pictures: (N, 3, sH, sW) float32, 0…255.
        reduction: One of REDUCTIONS.
        scale: s, how many times smaller both sides become.

    Returns:
        (N, 3, H, W) float32, whole numbers 0…255.
    """
    if reduction == "linear_area":
        light = functional.avg_pool2d(srgb_to_linear(pictures / 255), scale)
        return (linear_to_srgb(light) * 255).round().clamp(0, 255)
    rows, columns = (_matrix(side, reduction, scale).to(pictures) for side in pictures.shape[2:])
    across = _rounded(torch.einsum("nchw,xw->nchx", pictures, columns))  # Pillow rounds in between too
    return _rounded(torch.einsum("nchx,yh->ncyx", across, rows))


def _rounded(values: Tensor) -> Tensor:
    """Round halves up, as Pillow does."""
    return (values + 0.5).floor().clamp(0, 255)


def _matrix(length: int, reduction: str, scale: int) -> Tensor:
    """Return what each output pixel takes from each input pixel, (length // scale, length); rows sum to 1."""
    centre = (torch.arange(length // scale, dtype=torch.float64) + 0.5) * scale
    distance = (torch.arange(length, dtype=torch.float64)[None, :] + 0.5 - centre[:, None]) / scale
    weights = _kernel(distance, reduction)
    weights[distance.abs() >= _SUPPORT[reduction]] = 0
    return (weights / weights.sum(dim=1, keepdim=True)).float()


def _kernel(distance: Tensor, reduction: str) -> Tensor:
    d = distance.abs()
    if reduction == "area":
        return torch.ones_like(d)
    if reduction == "lanczos":
        return torch.sinc(d) * torch.sinc(d / 3)
    near = 1.5 * d**3 - 2.5 * d**2 + 1  # Keys' cubic with a = −0.5
    far = -0.5 * d**3 + 2.5 * d**2 - 4 * d + 2
    return torch.where(d < 1, near, far)


def _blurred(pictures: Tensor, sigma: Tensor) -> Tensor:
    count, channels, height, width = pictures.shape
    place = torch.arange(-_BLUR_REACH, _BLUR_REACH + 1, device=pictures.device, dtype=pictures.dtype)
    kernel = torch.exp(-(place**2) / (2 * sigma.clamp(min=1e-3)[:, None] ** 2))
    kernel = (kernel / kernel.sum(dim=1, keepdim=True)).repeat_interleave(channels, dim=0)[:, None]
    flat = pictures.reshape(1, count * channels, height, width)
    padded = functional.pad(flat, (_BLUR_REACH,) * 4, mode="replicate")
    across = functional.conv2d(padded, kernel[:, :, None, :], groups=count * channels)
    both = functional.conv2d(across, kernel[:, :, :, None], groups=count * channels)
    return both.reshape(pictures.shape).round().clamp(0, 255)


def _noisy(pictures: Tensor, degradations: Sequence[Degradation]) -> Tensor:
    strength = pictures.new_tensor([item.gaussian or item.poisson for item in degradations]).view(-1, 1, 1, 1)
    if not bool((strength > 0).any()):
        return pictures
    signal = torch.tensor([item.poisson > 0 for item in degradations], device=pictures.device).view(-1, 1, 1, 1)
    random = torch.Generator(pictures.device).manual_seed(sum(item.noise_seed for item in degradations) % 2**62)
    noise = torch.randn(pictures.shape, generator=random, device=pictures.device)
    noise = noise * torch.where(signal, (pictures / 255).sqrt(), torch.ones_like(pictures))
    return (pictures + strength * noise).round().clamp(0, 255)
