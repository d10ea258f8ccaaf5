"""What a phase has reached: its best validation, and whether it still gains."""

from __future__ import annotations

import math
from dataclasses import dataclass

MOST_REDUCTIONS = 3  # of the rate by --patience; where one more would be due, the phase ends


@dataclass
class Progress:
    """The best validation so far, and what `--patience` counts."""

    psnr: float = -math.inf  # The highest, dB
    merit: float = -math.inf  # The highest of what the best checkpoint is chosen by
    waited: int = 0  # Validations since the last gain, or since the last reduction of the rate
    reductions: int = 0  # Of the rate, for want of gains

    def gained(self, psnr: float, merit: float) -> bool:
        """Take a validation in.

        Args:
            psnr: In dB.
            merit: More is better.

        Returns:
            Whether it is the best so far.
        """
        self.psnr = max(psnr, self.psnr)
        if merit > self.merit:
            self.merit, self.waited = merit, 0
            return True
        self.waited += 1
        return False

    def reduction_is_due(self, patience: int) -> bool:
        """Count a reduction where there were `patience` validations without a gain; 0 has endless patience."""
        if not patience or self.waited < patience or self.has_ended(patience):
            return False
        self.waited, self.reductions = 0, self.reductions + 1
        return not self.has_ended(patience)

    def has_ended(self, patience: int) -> bool:
        """Return whether nothing was gained at the lowest rate either."""
        return patience > 0 and self.reductions > MOST_REDUCTIONS
