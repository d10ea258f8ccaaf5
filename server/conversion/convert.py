"""From foreign files to weights files: one becomes a model, two of one architecture a pair with a detail slider."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from torch import Tensor

import weights
from server.conversion.halo import Context, measured_context
from server.conversion.networks import build_network
from server.conversion.reading import CannotConvert, read_tensors
from weights.file_format import save_tensors


@dataclass(frozen=True)
class Origin:
    """What the user says about a file's origin."""

    title: str = ""
    licence: str = ""
    author: str = ""
    link: str = ""


@dataclass(frozen=True)
class _Converted:
    network: weights.Generator
    tensors: dict[str, Tensor]
    context: Context
    source: str


def convert(sources: Sequence[Path], targets: Sequence[Path], origin: Origin) -> list[weights.WeightsMetadata]:
    """Convert one foreign file, or two that make a pair; nothing is written before all are known to fit.

    Args:
        sources: One file, or the faithful and the detailed one.
        targets: As many weights files; their folder is made where it is missing.
        origin: For the metadata.

    Returns:
        The metadata of each, as written.

    Raises:
        CannotConvert: A file holds something else, or the two make no pair.
        WeightsError: A file's tensors make no network that is known.
    """
    converted = [_converted(source) for source in sources]
    if len(converted) == 2:
        converted = _matched(*converted)
    written = []
    for each, target in zip(converted, targets, strict=True):
        target.parent.mkdir(parents=True, exist_ok=True)
        written.append(save_tensors(each.tensors, _metadata(each, origin), target))
    return written


def _converted(source: Path) -> _Converted:
    network, tensors = build_network(read_tensors(source), source.name)
    radius = network.receptive_radius if network.architecture == "compact" else None
    context = measured_context(network) if radius is None else Context(radius, 0, 0.0)
    return _Converted(network, tensors, context, source.name)


def _matched(first: _Converted, second: _Converted) -> list[_Converted]:
    try:
        weights.interpolate(first.network, second.network, 0.5)
    except weights.InvalidConfig as fault:
        raise CannotConvert(f"{first.source} and {second.source} make no pair: {fault}") from fault
    wider = max(first.context, second.context, key=lambda context: (context.blend, context.halo))
    return [replace(each, context=wider) for each in (first, second)]


def _metadata(each: _Converted, origin: Origin) -> weights.WeightsMetadata:
    context, network = each.context, each.network
    told = "" if not context.blend else (
        " It sees more of a picture than a tile holds, so that tiles are computed with overlap and blended, and a "
        f"picture's result depends a little on how it is cut: by up to {context.error * 255:.1f} of 255 levels where "
        "measured."
    )  # fmt: skip
    return weights.WeightsMetadata(
        network.architecture, dict(vars(network.config)), network.scale, context.halo,
        title=origin.title or Path(each.source).stem, author=origin.author, licence=origin.licence, link=origin.link,
        date=datetime.date.today().isoformat(), description=f"Converted from {each.source}.{told}",
        provenance={"source": each.source, "tiling_error": round(context.error, 6)}, blend=context.blend,
    )  # fmt: skip
