"""Saves memory on small cards: a generator's blocks forget their activations and compute them again when needed."""

from __future__ import annotations

from typing import Any

from torch import nn
from torch.utils.checkpoint import checkpoint

from trainer.errors import ConfigError
from weights import Generator


def checkpoint_activations(generator: Generator) -> None:
    """Make each block of the generator's trunk keep only its input during the forward pass.

    Args:
        generator: Changed in place; parameters and their names stay.

    Raises:
        ConfigError: The generator has no trunk of blocks.
    """
    trunks = [child for child in generator.children() if isinstance(child, nn.Sequential) and len(child) > 1]
    blocks = [block for trunk in trunks for block in trunk if list(block.children())]
    if not blocks:
        raise ConfigError(
            f"--checkpoint-activations is set, but {generator.architecture} has no trunk of blocks, "
            "expected dilated_rrdb, rrdb or nafnet; leave the flag out: small generators need little memory"
        )
    for block in blocks:
        _checkpoint(block)


def _checkpoint(block: nn.Module) -> None:
    forward = block.forward

    def again(*arguments: Any) -> Any:
        return checkpoint(forward, *arguments, use_reentrant=False)

    block.forward = again
