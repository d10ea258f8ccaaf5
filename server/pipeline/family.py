"""A family: up to four weights files near each other, with `detail` and `cleanup` between them. No torch.

The files are the corners of a square. Without the corner that a control leads to, the family does not have that
control; with three corners, only `detail`, because between the other two nothing is known to look right.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from server.errors import WrongParameter

Corner = tuple[int, int]  # detail and cleanup, 0 or 1 each
Part = TypeVar("Part")

FAITHFUL: Corner = (0, 0)
DETAILED: Corner = (1, 0)
CLEAN: Corner = (0, 1)
CLEAN_DETAILED: Corner = (1, 1)
ENDINGS = {
    FAITHFUL: "-faithful",
    DETAILED: "-detailed",
    CLEAN: "-clean",
    CLEAN_DETAILED: "-clean-detailed",
}
DETAIL_STEPS = 20  # detail is rounded to 1/20
CLEANUP_STEPS = 4  # cleanup to 1/4, so that pictures for which it is estimated still share batches


@dataclass(frozen=True)
class Family:
    """What there is of a family."""

    name: str  # the name that all its files begin with
    corners: frozenset[Corner]  # the usable files of one configuration; FAITHFUL is always among them
    default_detail: float  # 0…1

    @property
    def has_detail(self) -> bool:
        """Whether `detail` may be chosen."""
        return DETAILED in self.corners

    @property
    def has_cleanup(self) -> bool:
        """Whether `cleanup` may be chosen."""
        return CLEAN in self.corners and (CLEAN_DETAILED in self.corners or not self.has_detail)

    def rounded(self, detail: float | None, cleanup: float | None) -> tuple[float, float | None]:
        """Check and round what was asked for.

        Args:
            detail: 0…1, None for the default.
            cleanup: 0…1, None for 0.

        Returns:
            Both, rounded to their steps; cleanup is None where the family does not have it.

        Raises:
            WrongParameter: more than 0 was asked of a control that the family does not have.
        """
        if detail and not self.has_detail:
            raise WrongParameter(
                f"{self.name} has no usable {self.name}{ENDINGS[DETAILED]} file, so its detail is 0, not {detail:g}; "
                "leave detail out."
            )
        if cleanup and not self.has_cleanup:
            missing = CLEAN if CLEAN not in self.corners else CLEAN_DETAILED
            raise WrongParameter(
                f"{self.name} has no usable {self.name}{ENDINGS[missing]} file, so its cleanup is 0, not {cleanup:g}; "
                "leave cleanup out."
            )
        wanted = self.default_detail if detail is None else detail
        return (
            round(wanted * DETAIL_STEPS) / DETAIL_STEPS if self.has_detail else 0.0,
            round((cleanup or 0.0) * CLEANUP_STEPS) / CLEANUP_STEPS if self.has_cleanup else None,
        )


def corners_between(detail: float, cleanup: float) -> list[Corner]:
    """Return the corners that a blend is made of, in the order that `blend` expects."""
    return [(column, row) for row in _ends(cleanup) for column in _ends(detail)]


def _ends(share: float) -> tuple[int, ...]:
    return (int(share),) if share in (0.0, 1.0) else (0, 1)


def blend(
    parts: Sequence[Part], detail: float, cleanup: float, interpolate: Callable[[Part, Part, float], Part]
) -> Part:
    """Interpolate bilinearly.

    Args:
        parts: what lies at `corners_between(detail, cleanup)`.
        detail: 0…1.
        cleanup: 0…1.
        interpolate: of two parts and the second one's share.

    Returns:
        What lies between them.
    """
    for share in (detail, cleanup):
        if share not in (0.0, 1.0):
            parts = [interpolate(first, second, share) for first, second in zip(parts[::2], parts[1::2], strict=True)]
    (one,) = parts
    return one
