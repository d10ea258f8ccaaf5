"""The pixel phase: set the rate → load → forward → backward → step → average → checkpoint and validate.

The training state (generator, running average, optimizer, step) lives in `PixelTraining`; batches depend on the step
alone, so a resumed training computes the same numbers as one that never stopped.
"""

from __future__ import annotations

import copy
import json
import math
import shlex
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from trainer.checkpoint import load_checkpoint, save_checkpoint
from trainer.collapse import collapse, over_parameterise
from trainer.config import TrainingConfig
from trainer.dataset import Batch, PatchBatches, batches, reduce_patch
from trainer.errors import CheckpointError, TrainingError
from trainer.metrics import luma_psnr
from trainer.patches import PatchSet
from trainer.pixel_loss import pixel_loss
from trainer.provenance import commit
from weights import Generator, build_generator, enlarge

CHECKPOINT = "pixel.pt"
CONFIG = "config.json"
RECORD = "metrics.jsonl"
_MAY_CHANGE = {"pixel_steps", "loader_workers", "validate_every", "checkpoint_every", "validation_patches"}


class PixelTraining:
    """One generator on its way from nothing to faithful.

    Attributes:
        config: The settings.
        device: Where it trains.
        generator: Over-parameterised where the settings ask for it.
        average: Running average of the generator's parameters, the one that is kept.
        optimizer: Adam.
        step: Optimizer steps done.
        seconds: Time spent training, over all resumes.
    """

    def __init__(self, config: TrainingConfig, device: torch.device) -> None:
        torch.manual_seed(config.seed)
        self.config = config
        self.device = device
        plain = build_generator(config.architecture, dict(config.generator))
        trained = over_parameterise(plain, config.expansion).to(device)
        trained = trained.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.generator: Generator = trained
        self.average: Generator = copy.deepcopy(trained).requires_grad_(False)
        self.optimizer = torch.optim.Adam(trained.parameters(), lr=config.learning_rate)
        self.compute_dtype = _compute_dtype(config.precision, device)
        self.step = 0
        self.seconds = 0.0

    def learn(self, batch: Batch) -> float:
        """Make one optimizer step.

        Args:
            batch: low_res and high_res, uint8.

        Returns:
            The loss before the step.
        """
        started = time.monotonic()
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate(self.step, self.config)
        low_res, high_res = (self._prepared(side) for side in batch)
        with torch.autocast(self.device.type, self.compute_dtype, enabled=self.compute_dtype != torch.float32):
            generated = enlarge(self.generator, low_res)
        loss = pixel_loss(generated, high_res, self.config)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        if self.config.gradient_clip:
            torch.nn.utils.clip_grad_norm_(self.generator.parameters(), self.config.gradient_clip)
        self.optimizer.step()
        self._follow()
        self.step += 1
        self.seconds += time.monotonic() - started
        return float(loss.detach())

    def faithful(self) -> Generator:
        """Return the averaged generator, plain, float32, evaluation mode, on the CPU."""
        return collapse(self.average).to("cpu")

    def state(self) -> dict[str, Any]:
        """Return everything that `restore` needs."""
        return {
            "config": self.config.to_dict(),
            "generator": self.generator.state_dict(),
            "average": self.average.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "step": self.step,
            "seconds": self.seconds,
        }

    def restore(self, state: dict[str, Any], source: Path) -> None:
        """Go on from a checkpoint.

        Args:
            state: What `state` returned.
            source: The checkpoint's path, for the message.

        Raises:
            CheckpointError: The checkpoint belongs to other settings.
        """
        now, then = self.config.to_dict(), state["config"]
        other = sorted(name for name in now if name not in _MAY_CHANGE and now[name] != then.get(name))
        if other:
            raise CheckpointError(
                f"{source} was made with other settings ({', '.join(f'{n}: {then.get(n)!r}' for n in other)}); "
                f"expected {', '.join(f'{n}: {now[n]!r}' for n in other)}; use the same settings or another run folder."
            )
        self.generator.load_state_dict(state["generator"])
        self.average.load_state_dict(state["average"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.step, self.seconds = int(state["step"]), float(state["seconds"])

    def _prepared(self, pixels: Tensor) -> Tensor:
        moved = pixels.to(self.device, non_blocking=True)
        return moved.to(torch.float32, memory_format=torch.channels_last).div_(255)

    @torch.no_grad()
    def _follow(self) -> None:
        decay = min(self.config.ema_decay, (1 + self.step) / (10 + self.step))
        for mean, current in zip(self.average.parameters(), self.generator.parameters(), strict=True):
            mean.lerp_(current, 1 - decay)


def learning_rate(step: int, config: TrainingConfig) -> float:
    """Linear warm-up, then a half cosine from the highest to the final rate.

    Args:
        step: Steps done.
        config: Gives the rates and the lengths.

    Returns:
        The rate of the next step.
    """
    if step < config.warm_up_steps:
        return config.learning_rate * (step + 1) / config.warm_up_steps
    done = (step - config.warm_up_steps) / max(1, config.pixel_steps - config.warm_up_steps)
    cosine = (1 + math.cos(math.pi * min(1.0, done))) / 2
    return config.final_learning_rate + (config.learning_rate - config.final_learning_rate) * cosine


def train_pixel_phase(
    patch_set: PatchSet, config: TrainingConfig, run: Path, device: torch.device, words: Sequence[str] = ()
) -> PixelTraining:
    """Train to the last step, or go on to it from the run folder's checkpoint.

    Args:
        patch_set: What to learn from.
        config: The settings; the number of steps may differ from the checkpoint's.
        run: Folder for the checkpoint, the settings and `metrics.jsonl`.
        device: Where to train.
        words: The command's words, kept for the weights file's provenance.

    Returns:
        The finished training.

    Raises:
        CheckpointError: The run folder's checkpoint is damaged or belongs to other settings.
        TrainingError: The loss is not finite any more; the last checkpoint is kept.
    """
    training = PixelTraining(config, device)
    checkpoint = run / CHECKPOINT
    state = load_checkpoint(checkpoint)
    if state is not None:
        training.restore(state, checkpoint)
    run.mkdir(parents=True, exist_ok=True)
    noted = {"command": shlex.join(["python", "-m", "trainer", *words]), "commit": commit()}
    noted |= {"data_hash": patch_set.hash, **config.to_dict()}
    (run / CONFIG).write_text(json.dumps(noted, indent=1), encoding="utf-8")
    source: Iterator[Batch] = batches(patch_set.train, config, training.step)
    progress = tqdm(source, total=config.pixel_steps, initial=training.step, unit="step", mininterval=10)
    losses: list[float] = []
    for batch in progress:
        losses.append(training.learn(batch))
        if not math.isfinite(losses[-1]):
            raise TrainingError(
                f"The loss of step {training.step} is {losses[-1]}, expected a finite number; {checkpoint} keeps the "
                "last good state; lower --learning-rate and run the same command again."
            )
        last = training.step == config.pixel_steps
        if last or training.step % config.validate_every == 0:
            _record(run, training, losses, validate(training.faithful(), patch_set.validation, config))
            losses.clear()
        if last or training.step % config.checkpoint_every == 0:
            save_checkpoint(training.state(), checkpoint)
    return training


@torch.no_grad()
def validate(generator: Generator, files: list[Path], config: TrainingConfig) -> float:
    """Measure on patches of other photos.

    Args:
        generator: Evaluation mode, on the CPU.
        files: Validation patches; evenly spread ones are taken.
        config: Says how many.

    Returns:
        Mean Y-PSNR over the patches, in decibels.
    """
    chosen = files[:: max(1, len(files) // config.validation_patches)][: config.validation_patches]
    reader = PatchBatches(chosen, config)
    scores = []
    for number in range(len(chosen)):
        low_res, high_res = reduce_patch(reader.patch(number))
        scores.append(luma_psnr(enlarge_pixels(generator, low_res), high_res))
    return float(np.mean(scores)) if scores else math.nan


@torch.no_grad()
def enlarge_pixels(generator: Generator, low_res: np.ndarray[Any, np.dtype[np.uint8]]) -> Any:
    """Enlarge (H, W, 3) uint8 to (2H, 2W, 3) uint8, the whole picture at once, float32."""
    batch = torch.from_numpy(np.array(low_res)).permute(2, 0, 1)[None].float().div_(255)
    batch = batch.contiguous(memory_format=torch.channels_last)
    high_res = enlarge(generator, batch)[0].clamp_(0, 1).mul_(255).round_().to(torch.uint8)
    return high_res.permute(1, 2, 0).contiguous().numpy()


def _compute_dtype(precision: str, device: torch.device) -> torch.dtype:
    if precision == "auto":
        fast = device.type == "cuda" or (device.type == "cpu" and torch.cpu._is_amx_tile_supported())
        return torch.bfloat16 if fast else torch.float32
    return torch.float32 if precision == "float32" else torch.bfloat16


def _record(run: Path, training: PixelTraining, losses: list[float], psnr: float) -> None:
    line = {
        "step": training.step,
        "seconds": round(training.seconds, 1),
        "loss": float(np.mean(losses)),
        "validation_psnr": round(psnr, 4),
        "learning_rate": learning_rate(training.step, training.config),
    }
    with (run / RECORD).open("a", encoding="utf-8") as file:
        file.write(json.dumps(line) + "\n")
