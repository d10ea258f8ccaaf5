"""What the user can choose, checked in one place. No Qt, no Krita."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from .client import LEAST_FACTOR, MOST_FACTOR, SCALE
from .errors import WrongOption
from .i18n import _

Number = TypeVar("Number", int, float)

OUTPUTS = {
    "enlarge": _("Enlarge the document"),
    "layer": _("Enlarge only the layer"),
    "new": _("New document"),
}


@dataclass(frozen=True)
class Settings:
    """One run's choices."""

    model: str = "auto"  # a name that the server knows, or "auto"
    detail: float | None = None  # 0 (faithful) … 1 (detailed), or None for the model's own default
    output: str = "enlarge"  # a key of OUTPUTS
    cleanup: float | None = None  # 0 (as it is) … 1 (clean), or None for what the layer needs
    scale: float = SCALE  # 1 … 8 times as wide and high, unless width or height says how large
    width: int | None = None  # pixels of the result, whose shape stays; None: not given
    height: int | None = None

    def __post_init__(self) -> None:
        faults = []
        if not isinstance(self.model, str) or not self.model:
            faults.append(_("model={model!r} (expected a model's name, or 'auto')").format(model=self.model))
        for name in ("detail", "cleanup"):
            value = getattr(self, name)
            if value is not None and not (_is_number(value) and 0 <= value <= 1):
                text = _("{name}={value!r} (expected a number from 0 to 1, or None)")
                faults.append(text.format(name=name, value=value))
        if not (_is_number(self.scale) and LEAST_FACTOR <= self.scale <= MOST_FACTOR):
            text = _("scale={scale!r} (expected a number from {least} to {most})")
            faults.append(text.format(scale=self.scale, least=LEAST_FACTOR, most=MOST_FACTOR))
        for name in ("width", "height"):
            value = getattr(self, name)
            if value is not None and not (_is_number(value, int) and value >= 1):
                text = _("{name}={value!r} (expected pixels, or None)")
                faults.append(text.format(name=name, value=value))
        if self.output not in OUTPUTS:
            text = _("output={output!r} (expected one of {outputs})")
            faults.append(text.format(output=self.output, outputs=", ".join(OUTPUTS)))
        if faults:
            text = _("Neural Upscale was given {faults}; neural_upscale.help() lists the options.")
            raise WrongOption(text.format(faults=_(" and ").join(faults)))

    def to_text(self) -> str:
        """Return them as one line for the settings file."""
        numbers = (self.detail, self.cleanup, self.scale, self.width, self.height)
        return ";".join((self.output, *("" if value is None else repr(value) for value in numbers), self.model))

    @classmethod
    def from_text(cls, text: str) -> Settings:
        """Read what `to_text` wrote; the defaults when the line is no longer valid."""
        try:
            output, detail, cleanup, scale, width, height, model = text.split(";", 6)
            return cls(
                model, _optional(float, detail), output, _optional(float, cleanup), float(scale),
                _optional(int, width), _optional(int, height),
            )  # fmt: skip
        except (ValueError, WrongOption):
            return cls()


def _is_number(value: object, kind: type | tuple[type, ...] = (int, float)) -> bool:
    return isinstance(value, kind) and not isinstance(value, bool)


def _optional(kind: Callable[[str], Number], text: str) -> Number | None:
    return kind(text) if text else None
