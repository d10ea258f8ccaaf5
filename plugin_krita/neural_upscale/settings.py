"""What the user can choose, checked in one place. No Qt, no Krita."""

from __future__ import annotations

from dataclasses import dataclass

from .errors import WrongOption
from .i18n import _

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

    def __post_init__(self) -> None:
        faults = []
        if not isinstance(self.model, str) or not self.model:
            faults.append(_("model={model!r} (expected a model's name, or 'auto')").format(model=self.model))
        for name in ("detail", "cleanup"):
            value = getattr(self, name)
            number = isinstance(value, (int, float)) and not isinstance(value, bool)
            if value is not None and not (number and 0 <= value <= 1):
                text = _("{name}={value!r} (expected a number from 0 to 1, or None)")
                faults.append(text.format(name=name, value=value))
        if self.output not in OUTPUTS:
            text = _("output={output!r} (expected one of {outputs})")
            faults.append(text.format(output=self.output, outputs=", ".join(OUTPUTS)))
        if faults:
            text = _("Neural Upscale was given {faults}; neural_upscale.help() lists the options.")
            raise WrongOption(text.format(faults=_(" and ").join(faults)))

    def to_text(self) -> str:
        """Return them as one line for the settings file."""
        numbers = ("" if value is None else format(value, "g") for value in (self.detail, self.cleanup))
        return ";".join((self.output, *numbers, self.model))

    @classmethod
    def from_text(cls, text: str) -> Settings:
        """Read what `to_text` wrote; the defaults when the line is no longer valid."""
        try:
            output, detail, cleanup, model = text.split(";", 3)
            return cls(model, float(detail) if detail else None, output, float(cleanup) if cleanup else None)
        except (ValueError, WrongOption):
            return cls()
