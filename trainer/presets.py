"""Named sets of settings to start from. Must not know how settings are read."""

from __future__ import annotations

from typing import Any

# An hour or two a phase on two cores. The adversarial weights come from runs of 285 to 4250 steps from a faithful
# generator, measured on validation patches: enough to see directions, not to prove an optimum. A step takes
# (12 layers, bfloat16) 50 ms for the generator, 46 ms for features at full and half size, 50 ms for the
# discriminator; with 32 channels that would be twice to thrice as much.
COMPACT_CPU: dict[str, Any] = {
    "architecture": "compact",
    "generator": {"features": 48, "layers": 8},
    "optimizer": "muon",
    "expansion": 0,
    "fixed_slopes": True,
    "learning_rate": 6e-3,
    "adversarial_steps": 10_000,
    "adversarial_patch_size": 32,
    "adversarial_batch_size": 8,
    # The faithful one learns from clean reductions, the detailed one from a mix in which they prevail. A small net
    # cannot tell by what its input was reduced: with the four kinds alike it sharpens for the softest, and the
    # perceptual loss on bicubic reductions stood still.
    "adversarial_degradation": "photo",
    "bicubic_probability": 0.9,
    "jpeg_probability": 0.3,
    "noise_probability": 0.03,
    "blur_probability": 0.03,
    # Without these two a JPEG file of quality 60 came out 0.33 dB below bicubic after 400 steps; at a weight of 20
    # clean inputs grew soft.
    "texture_tolerance": 2.5,
    "restoration_weight": 5.0,
    "adversarial_learning_rate": 4e-3,
    "discriminator_learning_rate": 5e-5,
    "discriminator_channels": 16,
    # The perceptual loss leads (its gradient is 25 times that of L1 and FFT together); the two below are spice.
    "perceptual_weight": 1e-3,
    "adversarial_weight": 0.001,
    # Energy at a period of 2 pixels, of the photos': 0.06 before; 0.67 after 10 050 steps with up to 0.03, 0.82
    # after 8500 more with this.
    "energy_weight": 0.06,
}

PRESETS: dict[str, dict[str, Any]] = {
    "compact-cpu": COMPACT_CPU,
    # A first model of one's own, or an idea: five minutes for everything.
    "quick": {
        **COMPACT_CPU,
        "generator": {"features": 32, "layers": 4},
        "max_minutes": 2.0,  # a phase
        "batch_size": 8,
        "discriminator_channels": 8,
        "validate_every": 500,
        "validation_patches": 32,
    },
    "compact-gpu": {
        "architecture": "compact",
        "generator": {"features": 48, "layers": 8},
        "degradation": "photo",  # in both phases
        "patch_size": 128,  # whole patches of 256 high-resolution pixels
        "batch_size": 16,
        "pixel_steps": 200_000,
        "adversarial_steps": 60_000,
        "loader_workers": 8,
    },
    "dilated-rrdb-gpu": {
        "architecture": "dilated_rrdb",
        "expansion": 0,
        "degradation": "photo",  # in both phases
        "patch_size": 128,
        "batch_size": 8,
        "pixel_steps": 100_000,
        "adversarial_steps": 100_000,
        "learning_rate": 2e-4,
        "final_learning_rate": 1e-6,
        "gradient_clip": 1.0,
        "perceptual_network": "vgg19",
        "perceptual_layers": {"conv3_4": 1.0, "conv4_4": 1.0, "conv5_4": 1.0},
        "perceptual_weight": 0.1,
        "loader_workers": 8,
    },
    # the losses, weights and schedule of the system that this project grew from: whole patches, one at a time, every
    # input compressed, and both networks together from the first step (the pixel phase cannot be left out, so it has
    # one step)
    "reference": {
        "architecture": "dilated_rrdb",
        "expansion": 0,
        "degradation": "photo",
        "jpeg_probability": 1.0,
        "patch_size": 128,
        "batch_size": 1,
        "pixel_steps": 1,
        "adversarial_steps": 200_000,
        "learning_rate": 1e-4,
        "adversarial_learning_rate": 1e-4,
        "final_learning_rate": 1e-6,
        "schedule": "step",
        "l1_weight": 0.0,
        "fft_weight": 0.0,
        "mse_weight": 1.0,
        "perceptual_network": "vgg16",
        "perceptual_squared": True,
        "perceptual_weight": 1e-4,
        "half_size_weight": 1.0,
        "discriminator": "dilated",
        "discriminator_channels": 32,
        "adversarial_weight": 3e-4,
        "loader_workers": 8,
    },
}
