"""The generator's optimizer, by its name; which parts of it move, and how fast."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from trainer.config import TrainingConfig
from trainer.errors import ConfigError
from trainer.optim.adam_then_sgd import AdamThenSgd
from trainer.optim.muon import Muon


def build_optimizer(config: TrainingConfig, module: nn.Module) -> torch.optim.Optimizer:
    """Build the optimizer that the settings name.

    Args:
        config: Says kind, momentum, weight decay, and the rates of parts.
        module: Whose parameters it moves; those whose rate is 0 need no gradients from now on.

    Returns:
        The optimizer; its learning rate is set at each step.

    Raises:
        ConfigError: The module has no part of a name that the settings have, or nothing is left to train.
    """
    groups: Any = _groups(config.part_rates, module)
    rate, momentum, decay = config.learning_rate, config.momentum, config.weight_decay
    if config.optimizer == "adamw":
        return torch.optim.AdamW(groups, lr=rate, weight_decay=decay)
    if config.optimizer == "muon":
        return Muon(groups, lr=rate, momentum=momentum, weight_decay=decay)
    if config.optimizer == "sgd":
        return torch.optim.SGD(groups, lr=rate, momentum=momentum, weight_decay=decay, nesterov=momentum > 0)
    if config.sgd_after:
        return AdamThenSgd(groups, rate, config.sgd_after, momentum)
    return torch.optim.Adam(groups, lr=rate)


def set_learning_rate(optimizer: torch.optim.Optimizer, learning_rate: float) -> None:
    """Set the learning rate of every parameter group, as a multiple of its own share."""
    for group in optimizer.param_groups:
        group["lr"] = learning_rate * group.get("share", 1.0)


def _groups(part_rates: dict[str, float], module: nn.Module) -> list[dict[str, Any]]:
    """Sort parameters by their share of the rate; the longest name that fits decides."""
    sorted_in: dict[float, list[nn.Parameter]] = {}
    unused = set(part_rates)
    for name, parameter in module.named_parameters():
        fitting = [part for part in part_rates if f"{name}.".startswith(f"{part}.")]
        unused -= set(fitting)
        share = part_rates[max(fitting, key=len)] if fitting else 1.0
        parameter.requires_grad_(share > 0)
        sorted_in.setdefault(share, []).append(parameter)
    if unused:
        parts = dict.fromkeys(".".join(name.split(".")[:2]) for name, _ in module.named_parameters())
        raise ConfigError(
            f"--part-rates names {', '.join(sorted(unused))}, expected beginnings of parameters' names, such as "
            f"{', '.join(parts)}; correct them."
        )
    sorted_in.pop(0.0, None)
    if not sorted_in:
        raise ConfigError("--part-rates is 0 for every part, expected at least one that is trained; leave one out.")
    return [{"params": parameters, "share": share} for share, parameters in sorted_in.items()]
