"""The settings of a training: one dataclass, every field with its unit and its check.

Must not know: files of patches, devices, nets. `cli.config_flags` reads them from the command line and from TOML files.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, fields
from typing import Any

from trainer.contradictions import contradictions
from trainer.settings import (
    ASCENDING,
    FRACTION,
    NOT_NEGATIVE,
    PART,
    POSITIVE,
    QUALITY,
    SHARE,
    SHARES,
    SIDES,
    flag_of,
    kind_of,
    one_of,
    out_of_range,
    refuse,
    setting,
)

PIXEL_LOSSES = ("l1", "mse", "psnr", "luma", "fft", "amplitude_phase", "row_difference")


@dataclass(frozen=True)
class TrainingConfig:
    """Everything that decides what a training computes; each field states its unit."""

    # the generator
    architecture: str = setting("compact", "generator: compact, dilated_rrdb, rrdb, espcn or nafnet")
    generator: dict[str, int] = setting({}, "generator configuration, as features=48,layers=8")
    expansion: int = setting(
        2, "channels inside the over-parameterised branches, as a multiple; 0: plain convolutions", NOT_NEGATIVE
    )
    fixed_slopes: bool = setting(
        False, "PReLU slopes that are still 0.1 stay so, which trains faster; always so where over-parameterised"
    )
    # the patches
    subset: float = setting(1.0, "share of the patches that are trained on, drawn by --seed, to try ideas", PART)
    patch_size: tuple[int, ...] = setting(
        (48,), "low-resolution pixels per side; several, as 48,64,128, for equal parts of a phase", SIDES
    )
    batch_size: int = setting(16, "patches per step and process", POSITIVE)
    rescale_probability: float = setting(
        0.0, "share of patches cut larger and reduced to size first, so that each photo is met at many scales", SHARE
    )
    permute_probability: float = setting(
        0.0, "share of patches whose red, green and blue change places, in any of the six orders", SHARE
    )
    twice: bool = setting(False, "every other step applies the generator twice, against a x4 reduction")
    degradation: str = setting("bicubic", "how low-resolution patches are made", one_of("bicubic", "photo"))
    cache_patches: str = setting(
        "host", "whose memory keeps the patches; device: batches are cut and degraded there", one_of("host", "device")
    )
    device_degradation: bool = setting(False, "low-resolution patches are made on the device, not by the loader")
    bicubic_probability: float = setting(
        0.25, "share of patches reduced by bicubic; the others by area, Lanczos, linear-light area (photo)", SHARE
    )
    blur_probability: float = setting(0.3, "share of patches blurred (photo)", SHARE)
    blur_sigma: float = setting(0.8, "largest blur, standard deviation in high-resolution pixels", NOT_NEGATIVE)
    noise_probability: float = setting(0.3, "share of patches with noise (photo)", SHARE)
    noise_sigma: float = setting(4.0, "largest noise, standard deviation of 255", NOT_NEGATIVE)
    jpeg_probability: float = setting(0.5, "share of patches compressed as JPEG (photo)", SHARE)
    jpeg_lowest: int = setting(50, "lowest JPEG quality", QUALITY)
    jpeg_highest: int = setting(99, "highest JPEG quality", QUALITY)
    half_chroma_probability: float = setting(0.5, "share of the compressed patches with 4:2:0", SHARE)
    clean_probability: float = setting(0.0, "share of patches that are reduced and nothing else (photo)", SHARE)
    grain_probability: float = setting(0.0, "share of the noisy patches whose noise is a sensor's", SHARE)
    sharpen_probability: float = setting(0.0, "share of patches sharpened before compression (photo)", SHARE)
    resized_probability: float = setting(
        0.0, "share of the compressed patches that are larger when they are compressed", SHARE
    )
    second_jpeg_probability: float = setting(
        0.0, "share of the compressed patches compressed once more, on another grid of blocks", SHARE
    )
    # the phases
    max_minutes: float = setting(
        0.0, "minutes that a phase may take, over all calls: its schedule follows the clock; 0: its steps", NOT_NEGATIVE
    )
    pixel_steps: int = setting(10_000, "optimizer steps of the pixel phase", POSITIVE)
    adversarial_steps: int = setting(10_000, "optimizer steps of the adversarial phase", POSITIVE)
    adversarial_patch_size: int = setting(
        0, "low-resolution pixels per side in the adversarial phase, 16 to 128; 0: as in the pixel phase", NOT_NEGATIVE
    )
    adversarial_batch_size: int = setting(
        0, "patches per step in the adversarial phase; 0: as in the pixel phase", NOT_NEGATIVE
    )
    adversarial_degradation: str = setting(
        "", "the adversarial phase's degradation; empty: as in the pixel phase", one_of("", "bicubic", "photo")
    )
    # the optimizer
    optimizer: str = setting("adam", "kind of optimizer", one_of("adam", "adamw", "muon", "sgd"))
    sgd_after: int = setting(
        0, "steps after which gradient descent with momentum goes on in place of adam; 0: never", NOT_NEGATIVE
    )
    weight_decay: float = setting(
        0.0, "decay of the parameters per unit of rate (adamw, sgd; muon: of kernels)", NOT_NEGATIVE
    )
    momentum: float = setting(
        0.95, "share of the gradients' running mean (sgd: sum) kept at each step (muon, sgd)", FRACTION
    )
    part_rates: dict[str, float] = setting(
        {},
        "share of the rate by the beginning of parameters' names, as body.0=0,body.2=0.1; 0 freezes them; others: 1",
        SHARES,
    )
    learning_rate: float = setting(1e-3, "highest rate of the pixel phase", POSITIVE)
    final_learning_rate: float = setting(1e-5, "rate at the pixel phase's last step", POSITIVE)
    adversarial_learning_rate: float = setting(1e-4, "highest rate of the adversarial phase, generator", POSITIVE)
    discriminator_learning_rate: float = setting(1e-4, "highest rate of the discriminator", POSITIVE)
    schedule: str = setting(
        "cosine",
        "how rates fall (trapezoid: in the last third)",
        one_of("constant", "cosine", "step", "trapezoid"),
    )
    milestones: tuple[int, ...] = setting(
        (50_000, 100_000, 150_000), "steps at which the rate falls, as 50000,100000 (schedule step)", ASCENDING
    )
    gamma: float = setting(0.5, "what the rate is multiplied by at a milestone, and by --patience", PART)
    patience: int = setting(
        0,
        "validations without a gain after which the rate falls; after three falls the phase ends; 0: never",
        NOT_NEGATIVE,
    )
    warm_up_steps: int = setting(100, "steps until the highest rate", NOT_NEGATIVE)
    ema_decay: float = setting(0.999, "share of the running average kept at each step", FRACTION)
    gradient_clip: float = setting(0.0, "largest norm of the gradient; 0: no limit", NOT_NEGATIVE)
    accumulate: int = setting(
        1, "parts that a batch is computed in at first; more where the memory does not suffice", POSITIVE
    )
    # the losses
    l1_weight: float = setting(1.0, "weight of the mean absolute difference, values 0…1", NOT_NEGATIVE)
    mse_weight: float = setting(0.0, "weight of the mean squared difference, values 0…1", NOT_NEGATIVE)
    psnr_weight: float = setting(0.0, "weight of minus the PSNR in dB", NOT_NEGATIVE)
    luma_weight: float = setting(0.0, "weight of the mean absolute difference of luma, values 0…1", NOT_NEGATIVE)
    fft_weight: float = setting(0.05, "weight of the mean absolute difference of the spectra", NOT_NEGATIVE)
    amplitude_phase_weight: float = setting(0.0, "weight of the spectra's amplitudes and phases", NOT_NEGATIVE)
    row_difference_weight: float = setting(0.0, "weight of the steps from row to row", NOT_NEGATIVE)
    consistency_weight: float = setting(
        0.0,
        "weight of the mean absolute difference from what the running average makes of the same pictures turned (pixel "
        "phase)",
        NOT_NEGATIVE,
    )
    # the adversarial phase
    perceptual_network: str = setting(
        "squeezenet", "network whose features are compared", one_of("none", "squeezenet", "vgg16", "vgg19")
    )
    perceptual_weights: str = setting("", "file of that network's weights; empty: fetched once")
    perceptual_layers: dict[str, float] = setting({}, "weight by layer, as fire2=1,fire5=0.5; empty: all alike")
    perceptual_squared: bool = setting(False, "features are compared by squared instead of absolute difference")
    perceptual_weight: float = setting(2e-4, "weight of the perceptual loss", NOT_NEGATIVE)
    energy_weight: float = setting(0.0, "weight of the difference of the bands' logarithmic energies", NOT_NEGATIVE)
    texture_tolerance: float = setting(
        0.0,
        "distance of an input from a clean reduction, of 255, at which the perceptual, energy and adversarial losses "
        "count half for it; 0: they always count whole",
        NOT_NEGATIVE,
    )
    restoration_weight: float = setting(
        0.0, "how much more the pixel losses count for inputs that are not clean, as a multiple", NOT_NEGATIVE
    )
    halfway_probability: float = setting(
        0.0,
        "share of the steps at which the losses judge the mean of the generator and of what it was at the start, which "
        "is what detail 0.5 shows, with half of the texture losses",
        SHARE,
    )
    half_size_weight: float = setting(1.0, "share of the comparison at half size", NOT_NEGATIVE)
    discriminator: str = setting("dilated", "kind of discriminator", one_of("dilated", "unet_sn", "patch"))
    discriminator_channels: int = setting(0, "channels of its first convolutions; 0: the usual", NOT_NEGATIVE)
    discriminator_dropout: float = setting(0.0, "share of its channels dropped while training", FRACTION)
    discriminator_steps: int = setting(
        1, "discriminator steps per generator step; 0: no adversarial loss", NOT_NEGATIVE
    )
    adversarial_loss: str = setting(
        "relativistic_bounded",
        "what the two play for",
        one_of("relativistic_bounded", "relativistic", "least_squares", "relativistic_least_squares", "wasserstein"),
    )
    adversarial_weight: float = setting(0.005, "weight of the adversarial loss", NOT_NEGATIVE)
    gradient_penalty_weight: float = setting(10.0, "weight of the gradient penalty (wasserstein)", NOT_NEGATIVE)
    r1_weight: float = setting(0.0, "weight of R1, the discriminator's squared slope at photos", NOT_NEGATIVE)
    # how it is computed
    precision: str = setting("auto", "of the convolutions", one_of("auto", "float32", "bfloat16", "float16"))
    convolutions: str = setting(
        "auto",
        "what convolves in a generator: torch, or winograd (compact on a CPU, in float32; needs a C++ compiler); auto: "
        "the faster one that can be had",
        one_of("auto", "torch", "winograd"),
    )
    compile: bool = setting(False, "use torch.compile")
    checkpoint_activations: bool = setting(False, "compute activations again instead of keeping them, to save memory")
    seed: int = setting(1, "of everything random", NOT_NEGATIVE)
    # what does not change the result
    loader_workers: int = setting(1, "processes that prepare patches", NOT_NEGATIVE)
    decoded_limit: int = setting(
        16, "largest file of decoded patches, kept beside them, GiB; 0: none is made, which is slower", NOT_NEGATIVE
    )
    validate_every: int = setting(1000, "steps between validations", POSITIVE)
    checkpoint_every: int = setting(500, "steps between checkpoints", POSITIVE)
    validation_patches: int = setting(64, "patches measured at each validation", POSITIVE)
    divergence_margin: float = setting(3.0, "dB below the best at which a training counts as diverged", POSITIVE)

    def __post_init__(self) -> None:
        refuse(out_of_range(self) + contradictions(self))

    def for_adversarial_phase(self) -> TrainingConfig:
        """Return the settings with the adversarial phase's own sizes and degradation in place of the pixel phase's."""
        return dataclasses.replace(
            self,
            patch_size=(self.adversarial_patch_size,) if self.adversarial_patch_size else self.patch_size,
            batch_size=self.adversarial_batch_size or self.batch_size,
            degradation=self.adversarial_degradation or self.degradation,
        )

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
        values: Field name → value; whole numbers are taken for fractions too, and for several numbers.

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
        if kind is tuple and type(value) in (list, int):
            value = (value,) if type(value) is int else tuple(value)
        if type(value) is not kind:
            faults.append(f"{flag_of(name)} is {value!r}, expected {kind.__name__} ({known[name].metadata['unit']})")
        typed[name] = value
    refuse(faults)
    return TrainingConfig(**typed)
