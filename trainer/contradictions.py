"""Which settings of a training contradict each other. `trainer.config` declares the settings themselves."""

from __future__ import annotations

from typing import Any

from trainer.settings import flag_of

# what only the loader can do to a patch
PROCESSING = (
    *("clean_probability", "grain_probability", "sharpen_probability"),
    *("resized_probability", "second_jpeg_probability"),
)
LARGEST_PATCH = 256  # high-resolution pixels per side


def contradictions(config: Any) -> list[str]:
    """List the settings that contradict each other.

    Args:
        config: A `TrainingConfig`.

    Returns:
        A clause for each fault.
    """
    faults = []
    if config.final_learning_rate > config.learning_rate:
        faults.append(
            f"--final-learning-rate is {config.final_learning_rate}, expected at most --learning-rate "
            f"({config.learning_rate})"
        )
    if not any(config.loss_weights.values()):
        names = ", ".join(flag_of(f"{name}_weight") for name in config.loss_weights)
        faults.append(f"{names} are all 0, expected at least one loss")
    if config.jpeg_lowest > config.jpeg_highest:
        faults.append(f"--jpeg-lowest is {config.jpeg_lowest}, expected at most --jpeg-highest ({config.jpeg_highest})")
    if config.accumulate > config.batch_size:
        faults.append(f"--accumulate is {config.accumulate}, expected at most --batch-size ({config.batch_size})")
    if config.sgd_after and config.optimizer != "adam":
        faults.append(f"--optimizer is {config.optimizer}, expected adam with --sgd-after")
    if (config.adversarial_loss == "wasserstein" or config.r1_weight) and config.discriminator == "dilated":
        what = "--r1-weight" if config.r1_weight else "--adversarial-loss wasserstein"
        faults.append(
            f"{what} needs a discriminator without batch normalisation, expected --discriminator unet_sn or patch"
        )
    if config.cache_patches == "device" and config.rescale_probability:
        faults.append(
            f"--rescale-probability is {config.rescale_probability}, expected 0 with --cache-patches device, or host"
        )
    processing = [flag_of(name) for name in PROCESSING if getattr(config, name)]
    if processing and (config.device_degradation or config.cache_patches == "device"):
        faults.append(
            f"{', '.join(processing)} cannot be combined with --device-degradation or --cache-patches device, "
            "expected 0 with them"
        )
    faults += _contradicts_winograd(config) if config.convolutions == "winograd" else []
    if len(config.patch_size) > 1 and config.max_minutes:
        faults.append("--patch-size has several sizes, expected one with --max-minutes, whose steps nobody knows ahead")
    if config.twice and 4 * max(config.patch_size, default=0) > LARGEST_PATCH:
        faults.append(f"--patch-size is {max(config.patch_size)}, expected at most {LARGEST_PATCH // 4} with --twice")
    return faults


def _contradicts_winograd(config: Any) -> list[str]:
    faults = []
    if config.architecture != "compact":
        faults.append(f"--architecture is {config.architecture}, expected compact with --convolutions winograd")
    if config.compile:
        faults.append("--compile is set, expected --no-compile with --convolutions winograd")
    if config.precision in ("bfloat16", "float16"):
        faults.append(f"--precision is {config.precision}, expected auto or float32 with --convolutions winograd")
    return faults
