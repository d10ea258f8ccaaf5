"""Records a training in metrics.jsonl, TensorBoard, sample strips and a plot at the end. Never stops a training."""

from __future__ import annotations

import contextlib
import json
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from tqdm import tqdm

from trainer.training.validation import Validation

RECORD = "metrics.jsonl"


class TrainingLog:
    """Writes what happens in a run folder.

    Args:
        run: The run folder.
        phase: Name of the phase, the prefix of all curves.
    """

    def __init__(self, run: Path, phase: str) -> None:
        self.run = run
        self.phase = phase
        self.board: Any = None
        self.has_board = True  # until it turns out that TensorBoard is not installed

    def validation(
        self, step: int, seconds: float, losses: Mapping[str, float], found: Validation, learning_rate: float
    ) -> None:
        """Write one line of figures and the strips.

        Args:
            step: Steps done.
            seconds: Time spent training.
            losses: Means since the last validation.
            found: What was measured.
            learning_rate: The generator's learning rate.
        """
        line: dict[str, Any] = {"phase": self.phase, "step": step, "seconds": round(seconds, 1)}
        line |= {name: round(value, 6) for name, value in losses.items()}
        line |= {"validation_psnr": round(found.psnr, 4), "validation_ssim": round(found.ssim, 5)}
        line |= {"learning_rate": learning_rate}
        if found.perceptual_loss is not None:
            line["validation_perceptual_loss"] = round(found.perceptual_loss, 5)
        self._append(line)
        if self.has_board and self.board is None:  # only now: a run folder that is refused stays as it is
            self.board = _board(self.run / "tensorboard")
            self.has_board = self.board is not None
        if found.strips:
            strips = np.concatenate(found.strips)
            with contextlib.suppress(OSError):
                Image.fromarray(strips).save(self.run / f"{self.phase}-samples.png")
            if self.board is not None:
                self.board.add_image(f"{self.phase}/original, bicubic, generator", strips, step, dataformats="HWC")
        if self.board is not None:
            for name, value in line.items():
                if isinstance(value, float) and name != "seconds":
                    self.board.add_scalar(f"{self.phase}/{name}", value, step)
            self.board.flush()

    def _append(self, line: Mapping[str, Any]) -> None:
        """Append a line to metrics.jsonl."""
        with (self.run / RECORD).open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")

    def message(self, sentence: str) -> None:
        """Print a sentence above the progress bar, and keep it in metrics.jsonl."""
        tqdm.write(f"trainer: {sentence}")
        self._append({"phase": self.phase, "logged": sentence})

    def close(self) -> None:
        """Draw the plot and let go of the files."""
        plot(self.run)
        if self.board is not None:
            self.board.close()


def read_record(run: Path) -> list[dict[str, Any]]:
    """Read metrics.jsonl; a line that was cut short is left out."""
    lines = []
    with contextlib.suppress(FileNotFoundError):
        for text in (run / RECORD).read_text(encoding="utf-8").splitlines():
            with contextlib.suppress(ValueError):
                lines.append(json.loads(text))
    return lines


def plot(run: Path) -> Path | None:
    """Draw the curves of all phases into plot.png.

    Args:
        run: A run folder.

    Returns:
        The file, or None where there is nothing to draw or matplotlib is missing.
    """
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError:
        return None
    lines = [line for line in read_record(run) if "validation_psnr" in line]
    names = ("validation_psnr", "validation_ssim", "validation_perceptual_loss", "loss", "discriminator", "photo_ahead")
    shown = [name for name in names if any(name in line for line in lines)]
    if not shown:
        return None
    figure = Figure(figsize=(8, 2.4 * len(shown)), layout="constrained")
    FigureCanvasAgg(figure)
    for place, name in enumerate(shown, start=1):
        axes = figure.add_subplot(len(shown), 1, place)
        for phase in dict.fromkeys(line.get("phase", "pixel") for line in lines):
            points = [line for line in lines if line.get("phase", "pixel") == phase and name in line]
            if points:
                axes.plot([p["step"] for p in points], [p[name] for p in points], marker=".", label=phase)
        axes.set_ylabel(name.replace("_", " "))
        axes.grid(alpha=0.3)
        axes.legend()
    axes.set_xlabel("step")
    figure.savefig(run / "plot.png", dpi=100)
    return run / "plot.png"


def _board(folder: Path) -> Any:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of the protocol buffers that TensorBoard comes with
            from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        return None
    return SummaryWriter(str(folder))
