"""Networks of other projects, built by the library spandrel from the names and shapes of their tensors.

Ours are rebuilt from a configuration in the file; of these spandrel knows more than three dozen architectures, with
what each asks of a picture's size and which precisions it bears. It is imported at the first such network.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from weights.errors import MissingLibrary, NotANetwork
from weights.generators.allocation_limit import AllocationLimit
from weights.generators.base import Generator, GeneratorConfig
from weights.metadata import FOREIGN

if TYPE_CHECKING:
    from spandrel import ImageModelDescriptor

SCALES = (1, 2, 3, 4, 8)
OTHER_PURPOSES = ("GFPGAN", "RestoreFormer", "LaMa", "MixDehazeNet")  # faces, inpainting, dehazing
MOST_TENSORS = 20_000
LONGEST_SIDE = 1 << 16  # of a tensor
LARGEST = 1 << 28  # values of all tensors


@dataclass(frozen=True)
class ForeignConfig(GeneratorConfig):
    """What tells networks of one architecture but of other sizes apart."""

    values: int = 1  # Numbers in all tensors of the file


class Foreign(Generator):
    """A network of spandrel, which pads a picture as the network asks for, and cuts the result.

    Args:
        descriptor: As spandrel loaded it, evaluation mode.
        values: Numbers in all tensors of the file.
    """

    config_class = ForeignConfig
    adds_nearest = False
    memory_format = torch.contiguous_format  # many reshape their features in ways that channels-last forbids

    def __init__(self, descriptor: ImageModelDescriptor[Any], values: int) -> None:
        super().__init__()
        self.architecture = FOREIGN + descriptor.architecture.id
        self.scale = descriptor.scale
        self.config = ForeignConfig(values)
        supported = {torch.float16: descriptor.supports_half, torch.bfloat16: descriptor.supports_bfloat16}
        self.half_precisions = tuple(dtype for dtype, bears in supported.items() if bears)
        self.network = descriptor.model  # listed as a module, so that it is moved and converted; the same object
        self._descriptor = descriptor

    def forward(self, low_res: Tensor) -> Tensor:
        """Map (N, 3, H, W), 0…1, to (N, 3, scale·H, scale·W), 0…1; one after the other, as spandrel promises."""
        pictures = low_res.clone(memory_format=torch.contiguous_format)  # some change their input in place
        if self._descriptor.input_channels == 1:
            pictures = pictures.flatten(0, 1)[:, None]
        enlarged = torch.cat([self._descriptor(picture[None]) for picture in pictures])
        return enlarged.reshape(len(low_res), 3, *enlarged.shape[2:])


def has_library() -> bool:
    """Return whether spandrel is installed; nothing is imported."""
    return find_spec("spandrel") is not None


def missing_library(source: str) -> MissingLibrary:
    """Make the error for a file that needs spandrel where it is not."""
    return MissingLibrary(
        f"{source} needs the library spandrel, which is not installed; install it with `pip install "
        '"neural-upscale[models]"` and start the server again.'
    )


def check_tensors(shapes: Mapping[str, tuple[int, ...]], source: str) -> int:
    """Check names and shapes before a network is built of them.

    Args:
        shapes: The shape of each tensor, by its name.
        source: The file's name, for the messages.

    Returns:
        The number of values in all tensors.

    Raises:
        NotANetwork: There are too many, they are too large, or a name counts further than there are tensors.
    """
    values = 0
    for name, shape in shapes.items():
        count = 1
        for side in shape:
            count *= side
            if side > LONGEST_SIDE or count > LARGEST:
                raise NotANetwork(f"{source} has {name[:60]!r} of shape {str(shape)[:60]}; expected a smaller network.")
        values += count
    if not shapes or len(shapes) > MOST_TENSORS or values > LARGEST:
        raise NotANetwork(
            f"{source} has {len(shapes)} tensors of {values / 1e6:.0f} million values in all; expected 1 to "
            f"{MOST_TENSORS} of at most {LARGEST / 1e6:.0f} million values; choose a smaller network."
        )
    furthest = 4 * len(shapes) + 64  # layers without tensors of their own are counted as well
    for name in shapes:
        for number in re.findall(r"\d+", name):
            if len(number) > 9 or int(number) > furthest:
                raise NotANetwork(
                    f"{source} numbers a layer {number[:20]} and has only {len(shapes)} tensors; expected a network's "
                    "parameters as they were saved; get the file from its author again."
                )
    return values


def build_foreign(tensors: Mapping[str, Tensor], source: str) -> Foreign:
    """Find the architecture that tensors belong to, and build it with them.

    Args:
        tensors: Name → tensor, on the CPU; not changed.
        source: The file's name, for the messages.

    Returns:
        The network: float32, evaluation mode, no gradients.

    Raises:
        MissingLibrary: spandrel is not installed, or cannot be imported.
        NotANetwork: No architecture fits, or one that enlarges no pictures.
    """
    values = check_tensors({name: tuple(tensor.shape) for name, tensor in tensors.items()}, source)
    registry = _registry(source)
    given = {name: tensor.float() if tensor.is_floating_point() else tensor for name, tensor in tensors.items()}
    try:
        with AllocationLimit(4 * values + (1 << 24), source), torch.no_grad(), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of the architectures' own code
            found = registry.load(given)
    except NotANetwork:
        raise
    except Exception as fault:
        raise NotANetwork(
            f"{source} fits no architecture that is known ({_first_line(fault)}); expected a network that enlarges or "
            "restores pictures, as its trainer saved it; choose another file."
        ) from fault
    channels = (found.input_channels, found.output_channels)
    if found.architecture.id in OTHER_PURPOSES or channels not in ((3, 3), (1, 1)) or found.scale not in SCALES:
        raise NotANetwork(
            f"{source} is {found.architecture.name}, {channels[0]} channels to {channels[1]}, ×{found.scale}; expected "
            f"a network that enlarges or restores pictures, RGB or grey, ×{', ×'.join(map(str, SCALES))}; choose "
            "another file."
        )
    foreign = Foreign(found, values)
    foreign.requires_grad_(False)
    return foreign.float().eval()


def _registry(source: str) -> Any:
    if not has_library():
        raise missing_library(source)
    from weights.torchvision_operators import import_torchvision

    try:
        import_torchvision()
        from spandrel import MAIN_REGISTRY
    except (ImportError, RuntimeError, OSError) as fault:
        raise MissingLibrary(
            f"{source} needs the library spandrel, which cannot be imported ({_first_line(fault)}); install it again "
            'with `pip install --force-reinstall "neural-upscale[models]"`.'
        ) from fault
    return MAIN_REGISTRY


def _first_line(fault: Exception) -> str:
    lines = str(fault).strip().splitlines()
    return f"{type(fault).__name__}: {lines[0][:120]}" if lines else type(fault).__name__
