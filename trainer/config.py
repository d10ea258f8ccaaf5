"""The settings of a training: one dataclass, every field with its unit, all faults named together.

Must not know: files of patches, devices, nets. `flags` reads them from the command line and from TOML files.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass, field, fields
from typing import Any

from trainer.errors import ConfigError

Check = tuple[Callable[[Any], bool], str]
_POSITIVE: Check = (lambda value: value > 0, "above 0")
_NOT_NEGATIVE: Check = (lambda value: value >= 0, "at least 0")
_FRACTION: Check = (lambda value: 0 <= value < 1, "at least 0 and below 1")
_SHARE: Check = (lambda value: 0 <= value <= 1, "0 to 1")
_QUALITY: Check = (lambda value: 1 <= value <= 100, "1 to 100")

PIXEL_LOSSES = ("l1", "mse", "charbonnier", "psnr", "fft", "amplitude_phase", "row_difference")
LARGEST_PATCH = 256
_NO_MATTER = {
    "pixel_steps",
    "adversarial_steps",
    "loader_workers",
    "validate_every",
    "checkpoint_every",
    "checkpoint_part",
    "validation_patches",
    "collapse_margin",
}
# how the names of settings begin that one phase or kind of degradation has for itself
_ADVERSARIAL_ONLY = (
    *("adversarial_", "discriminator", "gradient_penalty_"),
    *("perceptual_", "energy_", "half_size_", "texture_", "restoration_"),
)
_PHOTO_ONLY = ("bicubic_", "blur_", "noise_", "jpeg_", "half_chroma_")


def _one_of(*names: str) -> Check:
    return (lambda value: value in names, f"one of {', '.join(names)}")


def _setting(default: Any, unit: str, check: Check | None = None) -> Any:
    metadata = {"unit": unit, "check": check}
    if isinstance(default, dict):
        return field(default_factory=lambda: dict(default), metadata=metadata)
    return field(default=default, metadata=metadata)


@dataclass(frozen=True)
class TrainingConfig:
    """Everything that decides what a training computes; each field states its unit."""

    # the generator
    architecture: str = _setting("compact", "name of the generator's architecture")
    generator: dict[str, int] = _setting({}, "generator configuration, as features=48,layers=8")
    expansion: int = _setting(
        2, "channels inside the over-parameterised branches, as a multiple; 0: plain convolutions", _NOT_NEGATIVE
    )
    fixed_slopes: bool = _setting(
        False, "PReLU slopes that are still 0.1 stay so, which trains faster; always so where over-parameterised"
    )
    # the patches
    patch_size: int = _setting(48, "low-resolution pixels per side", (lambda value: 16 <= value <= 128, "16 to 128"))
    batch_size: int = _setting(16, "patches per step and process", _POSITIVE)
    twice: bool = _setting(False, "every other step applies the generator twice, against a x4 reduction")
    degradation: str = _setting("bicubic", "how low-resolution patches are made", _one_of("bicubic", "photo"))
    device_degradation: bool = _setting(False, "low-resolution patches are made on the device, not by the loader")
    bicubic_probability: float = _setting(
        0.25, "share of patches reduced by bicubic; the others by area, Lanczos, linear-light area (photo)", _SHARE
    )
    blur_probability: float = _setting(0.3, "share of patches blurred (photo)", _SHARE)
    blur_sigma: float = _setting(0.8, "largest blur, standard deviation in high-resolution pixels", _NOT_NEGATIVE)
    noise_probability: float = _setting(0.3, "share of patches with noise (photo)", _SHARE)
    noise_sigma: float = _setting(4.0, "largest noise, standard deviation of 255", _NOT_NEGATIVE)
    jpeg_probability: float = _setting(0.5, "share of patches compressed as JPEG (photo)", _SHARE)
    jpeg_lowest: int = _setting(50, "lowest JPEG quality", _QUALITY)
    jpeg_highest: int = _setting(99, "highest JPEG quality", _QUALITY)
    half_chroma_probability: float = _setting(0.5, "share of the compressed patches with 4:2:0", _SHARE)
    # the phases
    pixel_steps: int = _setting(10_000, "optimizer steps of the pixel phase", _POSITIVE)
    adversarial_steps: int = _setting(10_000, "optimizer steps of the adversarial phase", _POSITIVE)
    adversarial_patch_size: int = _setting(
        0, "low-resolution pixels per side in the adversarial phase, 16 to 128; 0: as in the pixel phase", _NOT_NEGATIVE
    )
    adversarial_batch_size: int = _setting(
        0, "patches per step in the adversarial phase; 0: as in the pixel phase", _NOT_NEGATIVE
    )
    adversarial_degradation: str = _setting(
        "", "the adversarial phase's degradation; empty: as in the pixel phase", _one_of("", "bicubic", "photo")
    )
    # the optimizer
    optimizer: str = _setting("adam", "kind of optimizer", _one_of("adam", "adamw", "muon"))
    weight_decay: float = _setting(0.0, "decay of the parameters per unit of rate (adamw)", _NOT_NEGATIVE)
    learning_rate: float = _setting(1e-3, "highest rate of the pixel phase", _POSITIVE)
    final_learning_rate: float = _setting(1e-5, "rate at the pixel phase's last step", _POSITIVE)
    adversarial_learning_rate: float = _setting(1e-4, "highest rate of the adversarial phase, generator", _POSITIVE)
    discriminator_learning_rate: float = _setting(1e-4, "highest rate of the discriminator", _POSITIVE)
    schedule: str = _setting(
        "cosine", "how rates fall (trapezoid: in the last third)", _one_of("cosine", "step", "trapezoid")
    )
    halve_every: int = _setting(50_000, "steps between halvings of the rate (schedule step)", _POSITIVE)
    warm_up_steps: int = _setting(100, "steps until the highest rate", _NOT_NEGATIVE)
    ema_decay: float = _setting(0.999, "share of the running average kept at each step", _FRACTION)
    gradient_clip: float = _setting(0.0, "largest norm of the gradient; 0: no limit", _NOT_NEGATIVE)
    accumulate: int = _setting(1, "parts that a batch is computed in, to save memory", _POSITIVE)
    # the losses
    l1_weight: float = _setting(1.0, "weight of the mean absolute difference, values 0…1", _NOT_NEGATIVE)
    mse_weight: float = _setting(0.0, "weight of the mean squared difference, values 0…1", _NOT_NEGATIVE)
    charbonnier_weight: float = _setting(0.0, "weight of the mean of sqrt(difference² + 0.001²)", _NOT_NEGATIVE)
    psnr_weight: float = _setting(0.0, "weight of minus the PSNR in dB", _NOT_NEGATIVE)
    fft_weight: float = _setting(0.05, "weight of the mean absolute difference of the spectra", _NOT_NEGATIVE)
    amplitude_phase_weight: float = _setting(0.0, "weight of the spectra's amplitudes and phases", _NOT_NEGATIVE)
    row_difference_weight: float = _setting(0.0, "weight of the steps from row to row", _NOT_NEGATIVE)
    # the adversarial phase
    perceptual_network: str = _setting(
        "squeezenet", "network whose features are compared", _one_of("none", "squeezenet", "vgg16", "vgg19")
    )
    perceptual_weights: str = _setting("", "file of that network's weights; empty: fetched once")
    perceptual_layers: dict[str, float] = _setting({}, "weight by layer, as fire2=1,fire5=0.5; empty: all alike")
    perceptual_squared: bool = _setting(False, "features are compared by squared instead of absolute difference")
    perceptual_weight: float = _setting(2e-4, "weight of the perceptual loss", _NOT_NEGATIVE)
    energy_weight: float = _setting(0.0, "weight of the difference of the bands' logarithmic energies", _NOT_NEGATIVE)
    texture_tolerance: float = _setting(
        0.0,
        "distance of an input from a clean reduction, of 255, at which the perceptual, energy and adversarial losses "
        "count half for it; 0: they always count whole",
        _NOT_NEGATIVE,
    )
    restoration_weight: float = _setting(
        0.0, "how much more the pixel losses count for inputs that are not clean, as a multiple", _NOT_NEGATIVE
    )
    half_size_weight: float = _setting(1.0, "share of the comparison at half size", _NOT_NEGATIVE)
    discriminator: str = _setting("dilated", "kind of discriminator", _one_of("dilated", "unet_sn", "patch"))
    discriminator_channels: int = _setting(0, "channels of its first convolutions; 0: the usual", _NOT_NEGATIVE)
    discriminator_dropout: float = _setting(0.0, "share of its channels dropped while training", _FRACTION)
    discriminator_steps: int = _setting(1, "discriminator steps per generator step", _POSITIVE)
    adversarial_loss: str = _setting(
        "relativistic_bounded",
        "what the two play for",
        _one_of("relativistic_bounded", "relativistic", "least_squares", "wasserstein"),
    )
    adversarial_weight: float = _setting(0.005, "weight of the adversarial loss", _NOT_NEGATIVE)
    gradient_penalty_weight: float = _setting(10.0, "weight of the gradient penalty (wasserstein)", _NOT_NEGATIVE)
    # how it is computed
    precision: str = _setting("auto", "of the convolutions", _one_of("auto", "float32", "bfloat16"))
    compile: bool = _setting(False, "use torch.compile")
    checkpoint_activations: bool = _setting(False, "compute activations again instead of keeping them, to save memory")
    seed: int = _setting(1, "of everything random", _NOT_NEGATIVE)
    # what does not change the result
    loader_workers: int = _setting(1, "processes that prepare patches", _NOT_NEGATIVE)
    validate_every: int = _setting(1000, "steps between validations", _POSITIVE)
    checkpoint_every: int = _setting(500, "steps between checkpoints", _POSITIVE)
    checkpoint_part: int = _setting(0, "largest file of a checkpoint, MiB; 0: one file", _NOT_NEGATIVE)
    validation_patches: int = _setting(64, "patches measured at each validation", _POSITIVE)
    collapse_margin: float = _setting(3.0, "dB below the best that count as a collapse", _POSITIVE)

    def __post_init__(self) -> None:
        faults = []
        for entry in fields(self):
            value, check = getattr(self, entry.name), entry.metadata["check"]
            if check is not None and not check[0](value):
                faults.append(f"{flag_of(entry.name)} is {value!r}, expected {check[1]}")
        faults += self._contradictions()
        if faults:
            raise ConfigError(f"The settings cannot be used: {'; '.join(faults)}; correct them together.")

    def _contradictions(self) -> list[str]:
        faults = []
        if self.final_learning_rate > self.learning_rate:
            faults.append(
                f"--final-learning-rate is {self.final_learning_rate}, expected at most --learning-rate "
                f"({self.learning_rate})"
            )
        if not any(self.loss_weights.values()):
            names = ", ".join(flag_of(f"{name}_weight") for name in PIXEL_LOSSES)
            faults.append(f"{names} are all 0, expected at least one loss")
        if self.jpeg_lowest > self.jpeg_highest:
            faults.append(f"--jpeg-lowest is {self.jpeg_lowest}, expected at most --jpeg-highest ({self.jpeg_highest})")
        if self.accumulate > self.batch_size:
            faults.append(f"--accumulate is {self.accumulate}, expected at most --batch-size ({self.batch_size})")
        if self.adversarial_loss == "wasserstein" and self.discriminator == "dilated":
            faults.append(
                "--adversarial-loss wasserstein needs a discriminator without batch normalisation, "
                "expected --discriminator unet_sn or patch"
            )
        if self.twice and 4 * self.patch_size > LARGEST_PATCH:
            faults.append(f"--patch-size is {self.patch_size}, expected at most {LARGEST_PATCH // 4} with --twice")
        return faults

    def for_adversarial_phase(self) -> TrainingConfig:
        """Return the settings with the adversarial phase's own sizes and degradation in place of the pixel phase's."""
        return dataclasses.replace(
            self,
            patch_size=self.adversarial_patch_size or self.patch_size,
            batch_size=self.adversarial_batch_size or self.batch_size,
            degradation=self.adversarial_degradation or self.degradation,
        )

    def unused_in(self, phase: str) -> set[str]:
        """Tell which settings a phase's result does not depend on.

        Args:
            phase: "pixel" or "adversarial".

        Returns:
            Their names.
        """
        foreign: tuple[str, ...] = _ADVERSARIAL_ONLY if phase == "pixel" else ()
        foreign += _PHOTO_ONLY if self.degradation == "bicubic" else ()
        return _NO_MATTER | {entry.name for entry in fields(self) if entry.name.startswith(foreign)}

    @property
    def loss_weights(self) -> dict[str, float]:
        """Weight of each pixel loss by its name."""
        return {name: getattr(self, f"{name}_weight") for name in PIXEL_LOSSES}

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as plain values."""
        return dataclasses.asdict(self)


def config_of(values: dict[str, Any]) -> TrainingConfig:
    """Build a configuration from plain values.

    Args:
        values: Field name → value; whole numbers are taken for fractions too.

    Returns:
        The checked configuration.

    Raises:
        ConfigError: A name that is no setting, a value of the wrong type or outside its range; names every fault.
    """
    known = {entry.name: entry for entry in fields(TrainingConfig)}
    faults, typed = [], {}
    for name, value in values.items():
        if name not in known:
            faults.append(f"{name} is no setting")
            continue
        kind = kind_of(known[name])
        if kind is float and type(value) is int:
            value = float(value)
        if type(value) is not kind:
            faults.append(f"{flag_of(name)} is {value!r}, expected {kind.__name__} ({known[name].metadata['unit']})")
        typed[name] = value
    if faults:
        raise ConfigError(f"The settings cannot be used: {'; '.join(faults)}; correct them together.")
    return TrainingConfig(**typed)


def kind_of(entry: dataclasses.Field[Any]) -> type:
    """Return the type of a field's values."""
    return dict if entry.default is dataclasses.MISSING else type(entry.default)


def flag_of(name: str) -> str:
    """Return the flag that sets a field."""
    return f"--{name.replace('_', '-')}"
