"""Where settings start: named sets of them. Must not know how they are read."""

from __future__ import annotations

from typing import Any

PRESETS: dict[str, dict[str, Any]] = {
    # An hour or two a phase on two cores. The adversarial weights come from eight runs of 285 to 525 steps from a
    # faithful generator, measured on validation patches: enough to see directions, not to prove an optimum. A step
    # takes (12 layers, bfloat16) 50 ms for the generator, 46 ms for features at full and half size, 50 ms for the
    # discriminator; with 32 channels that would be twice to thrice as much.
    "compact-cpu": {
        "architecture": "compact",
        "generator": {"features": 48, "layers": 8},
        "adversarial_steps": 10_000,
        "adversarial_patch_size": 32,
        "adversarial_batch_size": 8,
        # The faithful one learns from clean reductions, the detailed one from a mix in which they prevail. A small net
        # cannot tell by what its input was reduced: with the four kinds alike it sharpens for the softest, and the
        # perceptual distance on bicubic reductions stood still (-0.1 % after 297 steps, -6.4 % after 350 with 0.8).
        "adversarial_degradation": "photo",
        "bicubic_probability": 0.8,
        "jpeg_probability": 0.3,
        "noise_probability": 0.05,
        "blur_probability": 0.05,
        # a discriminator that learns as fast as the generator ran away (photo_ahead 0.86 after 400 steps)
        "adversarial_learning_rate": 4e-4,
        "discriminator_learning_rate": 1e-4,
        "discriminator_channels": 16,
        # The perceptual loss leads (its gradient is 25 times that of L1 and FFT together); the two below are spice: at
        # 0.01 and 0.03 they took 1.3 dB in 2000 steps and gave no smaller distance.
        "perceptual_weight": 1e-3,
        "adversarial_weight": 0.005,
        # energy at a period of 2 pixels, of the photos': 0.04 before, 0.09 after 377 steps without this loss and the
        # adversarial one, 0.26 after 350 with 0.005 of both; at 4 pixels 0.49, 0.71 and 0.62
        "energy_weight": 0.008,
    },
    "compact-gpu": {
        "architecture": "compact",
        "generator": {"features": 48, "layers": 8},
        "patch_size": 64,
        "batch_size": 64,
        "pixel_steps": 200_000,
        "adversarial_steps": 60_000,
        "loader_workers": 8,
    },
    "dilated-rrdb-gpu": {
        "architecture": "dilated_rrdb",
        "expansion": 0,
        "patch_size": 64,
        "batch_size": 32,
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
    # fifteen minutes of an H200 (docs/gpu.md says why); steps are counted by the clock there
    "dilated-rrdb-h200": {
        "architecture": "dilated_rrdb",
        "expansion": 0,
        "patch_size": 64,
        "batch_size": 32,
        "adversarial_batch_size": 16,
        "learning_rate": 4e-4,
        "final_learning_rate": 1e-6,
        "warm_up_steps": 300,
        "gradient_clip": 1.0,
        "validation_patches": 48,
    },
    "compact-h200": {
        "architecture": "compact",
        "generator": {"features": 48, "layers": 8},
        "patch_size": 64,
        "batch_size": 64,
        "learning_rate": 1e-3,
        "final_learning_rate": 1e-6,
        "warm_up_steps": 500,
        "validation_patches": 48,
    },
    # the losses, weights and schedule of the system that this project grew from
    "reference": {
        "architecture": "dilated_rrdb",
        "expansion": 0,
        "degradation": "photo",
        "patch_size": 64,
        "batch_size": 16,
        "pixel_steps": 200_000,
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
