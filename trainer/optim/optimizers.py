"""The generator's optimizer, by its name, and how every optimizer's learning rate is set."""

from __future__ import annotations

import torch
from torch import nn

from trainer.config import TrainingConfig
from trainer.optim.muon import Muon


def build_optimizer(config: TrainingConfig, module: nn.Module) -> torch.optim.Optimizer:
    """Build the optimizer that the settings name.

    Args:
        config: Says kind, momentum and weight decay.
        module: Whose parameters it moves.

    Returns:
        The optimizer; its learning rate is set at each step.
    """
    parameters, learning_rate = module.parameters(), config.learning_rate
    if config.optimizer == "adamw":
        return torch.optim.AdamW(parameters, lr=learning_rate, weight_decay=config.weight_decay)
    if config.optimizer == "muon":
        return Muon(parameters, lr=learning_rate, momentum=config.momentum, weight_decay=config.weight_decay)
    return torch.optim.Adam(parameters, lr=learning_rate)


def set_learning_rate(optimizer: torch.optim.Optimizer, learning_rate: float) -> None:
    """Set the learning rate of every parameter group."""
    for group in optimizer.param_groups:
        group["lr"] = learning_rate
