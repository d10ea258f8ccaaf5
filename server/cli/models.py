"""`neural-upscale models`: which models there are, by kind, with what decides between them. Measures nothing."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from typing import Any

HEADS = {"own": "Ours", "enlargement": "Converted, enlarging", "restoration": "Converted, restoring"}
WIDEST = 28  # characters of a name that still keep the columns in line


def main(words: list[str]) -> int:
    """List the models of the server, which is started where none runs."""
    parser = argparse.ArgumentParser(
        prog="neural-upscale models",
        description="List the models by kind: scale, speed on this machine, size on disk, licence, author, link.",
    )
    parser.add_argument("--json", action="store_true", help="as the server tells it")
    arguments = parser.parse_args(words)
    from server import client
    from server.cli.upscale.upscaler import find_server

    try:
        listed = client.models(find_server())
    except client.ClientError as fault:
        print(f"neural-upscale: {fault}", file=sys.stderr)  # noqa: T201
        return 1
    print(json.dumps(listed, indent=2) if arguments.json else "\n".join(_lines(listed)))  # noqa: T201
    return 0


def _lines(listed: dict[str, Any]) -> Iterator[str]:
    whole = [each for each in listed["models"] if each["usable"] and len(each["files"]) > 1]
    parts = {file.removesuffix(".safetensors") for each in whole for file in each["files"]}
    shown = [each for each in listed["models"] if each["usable"] and each["name"] not in parts]
    column = min(WIDEST, max((len(each["name"]) for each in shown), default=0))
    for kind, head in HEADS.items():
        of_kind = [each for each in shown if each["kind"] == kind]
        if of_kind:
            yield head
        for model in of_kind:
            yield from _model(model, column, is_default=model["name"] == listed["default"])
    if any(model["megapixels_per_second"] is None for model in shown):
        yield "A speed is known once the model has enlarged a picture here."
    for broken in listed["broken"]:
        yield f"! {broken['name']}: {broken['message']}"


def _model(model: dict[str, Any], column: int, *, is_default: bool) -> Iterator[str]:
    rate = model["megapixels_per_second"]
    speed = "speed –" if rate is None else f"{rate:.2g} MP/s" if rate < 10 else f"{rate:.0f} MP/s"
    size = f"{model['bytes'] / 1e6:.1f} MB"
    facts = f"×{model['scale']}  {speed:>10}  {size:>9}  {model['licence'] or 'licence unknown'}"
    yield f"{'*' if is_default else ' '} {model['name']:<{column}}  {facts}"
    origin = [f"by {model['author']}" if model["author"] else "", model["link"]]
    told = [each for each in (*origin, *_controls(model)) if each]
    if told:
        yield f"    {' · '.join(told)}"
    if len(model["files"]) > 1:
        yield f"    of {', '.join(file.removesuffix('.safetensors') for file in model['files'])}"


def _controls(model: dict[str, Any]) -> Iterator[str]:
    """Describe the detail and cleanup that a model takes, and its gain over bicubic where that was measured."""
    span, measured = model["detail"], model["metrics"].get("B100")
    if span and span["highest"] > 0:
        yield f"detail {span['lowest']:g}…{span['highest']:g}, default {span['default']:g}"
    elif span:
        yield "detail 0: its crisp partner is not here"
    if model["cleanup"]:
        yield "cleanup 0…1, default estimated"
    if isinstance(measured, dict) and {"generator", "bicubic"} <= set(measured):
        which = "at detail 0 " if span and span["highest"] > 0 else ""
        yield f"{which}{measured['generator'] - measured['bicubic']:+.1f} dB over bicubic"
