"""Sets the two phases up from settings, patches and a run folder, and runs them."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path

import torch

from trainer.config import TrainingConfig
from trainer.data.patch_set import PatchSet
from trainer.errors import CheckpointError
from trainer.losses.perceptual import PerceptualLoss
from trainer.nets.discriminator_file import discriminator_beside, load_discriminator
from trainer.nets.feature_weights import load_feature_network
from trainer.nets.growing import grow
from trainer.run_folder import check_patches, locked, trained_generator, write_settings
from trainer.training.adversarial_step import AdversarialPhase
from trainer.training.distributed import World
from trainer.training.loop import Loop
from trainer.training.phase import Phase
from trainer.training.pixel_step import ALONE, PixelPhase
from trainer.training.validation import Validator
from weights import Generator, build_generator, load_generator
from weights.generators.compact import Compact


def train(
    patch_set: PatchSet,
    config: TrainingConfig,
    run: Path,
    device: torch.device,
    phases: Sequence[str],
    start: Path | None = None,
    words: Sequence[str] = (),
    world: World = ALONE,
) -> None:
    """Train the phases that are asked for, one after the other.

    Args:
        patch_set: What to learn from.
        config: The settings.
        run: The run folder.
        device: Where to train.
        phases: Some of "pixel" and "adversarial", in this order.
        start: Weights file that the first of these phases goes on from; a smaller compact one grows. None begins
            anew, or takes the run folder's pixel phase where only the adversarial one is asked for. With that one
            alone, the discriminator that lies beside the file goes on too.
        words: The command's words, kept for the weights file's provenance.
        world: The processes that train together.

    Raises:
        CheckpointError: The weights file to start from has another architecture or config than the settings.
    """
    if "pixel" in phases:
        train_pixel_phase(patch_set, config, run, device, words, world, start)
    if "adversarial" not in phases:
        return
    discriminator = None
    if start and "pixel" not in phases:
        faithful, discriminator = started_from(start, config), discriminator_beside(start)
    else:
        faithful = _matching(trained_generator(run, "pixel")[1], config, run)
    train_adversarial_phase(patch_set, config, run, device, faithful, words, world, discriminator)


def train_pixel_phase(
    patch_set: PatchSet,
    config: TrainingConfig,
    run: Path,
    device: torch.device,
    words: Sequence[str] = (),
    world: World = ALONE,
    start: Path | None = None,
) -> PixelPhase:
    """Train to the pixel phase's last step, or go on to it from the run folder's checkpoint.

    Args:
        patch_set: What to learn from.
        config: The settings; those that do not change the result may differ from the checkpoint's.
        run: Folder for the checkpoint, the settings and `metrics.jsonl`.
        device: Where to train.
        words: The command's words, kept for the weights file's provenance.
        world: The processes that train together.
        start: Weights file to go on from; None begins anew.

    Returns:
        The finished phase.
    """
    phase = PixelPhase(config, device, world, started_from(start, config) if start else None)
    _train_phase(phase, patch_set, run, Validator(patch_set.validation, config, device, None), words)
    return phase


def train_adversarial_phase(
    patch_set: PatchSet,
    config: TrainingConfig,
    run: Path,
    device: torch.device,
    faithful: Generator,
    words: Sequence[str] = (),
    world: World = ALONE,
    discriminator: Path | None = None,
) -> AdversarialPhase:
    """Train to the adversarial phase's last step, or go on to it from the run folder's checkpoint.

    Args:
        patch_set: What to learn from.
        config: The settings.
        run: Folder for the checkpoint, the settings and `metrics.jsonl`.
        device: Where to train.
        faithful: What to start from; plain.
        words: The command's words, kept for the weights file's provenance.
        world: The processes that train together.
        discriminator: File of the discriminator to go on with; None, or one that is not there, begins with a new one.

    Returns:
        The finished phase.
    """
    config = config.for_adversarial_phase()
    perceptual = perceptual_loss(config)
    phase = AdversarialPhase(config, device, faithful, perceptual, world)
    if discriminator and discriminator.exists():
        load_discriminator(phase.discriminator, discriminator)
    validator = Validator(patch_set.validation, config, device, phase.perceptual)
    _train_phase(phase, patch_set, run, validator, words)
    return phase


def started_from(file: Path, config: TrainingConfig) -> Generator:
    """Load what a training goes on from; a compact one smaller than the settings grows.

    Args:
        file: A weights file.
        config: Says architecture and size.

    Returns:
        A plain generator.

    Raises:
        CheckpointError: It has another architecture or config than the settings.
    """
    generator = load_generator(file).generator
    expected = build_generator(config.architecture, dict(config.generator))
    if isinstance(expected, Compact) and isinstance(generator, Compact):
        generator = grow(generator, expected.config)
    return _matching(generator, config, file)


def _matching(generator: Generator, config: TrainingConfig, source: Path) -> Generator:
    expected = build_generator(config.architecture, dict(config.generator))
    if generator.architecture != expected.architecture or generator.config != expected.config:
        raise CheckpointError(
            f"{source} holds a {generator.architecture} with {generator.config}; the settings give a "
            f"{expected.architecture} with {expected.config}; set --architecture and --generator accordingly"
        )
    return generator


def perceptual_loss(config: TrainingConfig) -> PerceptualLoss | None:
    """Build the perceptual loss that the settings ask for; None where they ask for none.

    Args:
        config: Says network, weights and layers.

    Returns:
        The loss, on the CPU.
    """
    if config.perceptual_network == "none":
        return None
    weights = Path(config.perceptual_weights) if config.perceptual_weights else None
    network = load_feature_network(config.perceptual_network, weights)
    return PerceptualLoss(
        network,
        config.perceptual_layers,
        squared=config.perceptual_squared,
        half_size_weight=config.half_size_weight,
    )


def _train_phase(phase: Phase, patch_set: PatchSet, run: Path, validator: Validator, words: Sequence[str]) -> None:
    """Train to the last step. A run folder of other patches or settings is refused before anything is written."""
    loop = Loop(phase, patch_set, run, validator)
    check_patches(run, patch_set)
    loop.restore()
    with locked(run) if phase.world.leads else nullcontext():
        if phase.world.leads:
            write_settings(run, phase.config, patch_set, words)
        loop.train()
