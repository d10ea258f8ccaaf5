"""Learning rates over the steps of a phase."""

from __future__ import annotations

import math
from bisect import bisect_right

from trainer.config import TrainingConfig

FALLING = 1 / 3  # of a trapezoid's steps: until then nothing depends on how many steps there will be


def learning_rate_share(step: int, steps: int, config: TrainingConfig, lowest: float) -> float:
    """Return the next step's share of the highest rate: linear warm-up, then the schedule.

    Args:
        step: Steps done.
        steps: Steps of the phase.
        config: Gives schedule, warm-up, milestones and gamma.
        lowest: Share that is never gone below after the warm-up.

    Returns:
        Above 0, at most 1.
    """
    if step < config.warm_up_steps:
        return (step + 1) / config.warm_up_steps
    if config.schedule == "constant":
        return 1.0
    if config.schedule == "step":
        return float(max(lowest, config.gamma ** bisect_right(config.milestones, step)))
    if config.schedule == "trapezoid":
        return max(lowest, min(1.0, (steps - step) / (steps * FALLING)))
    done = (step - config.warm_up_steps) / max(1, steps - config.warm_up_steps)
    return lowest + (1 - lowest) * (1 + math.cos(math.pi * min(1.0, done))) / 2
