"""One run in time order: check, ask the user, find the server, read, enlarge, compare, place, tell."""

from __future__ import annotations

import signal
from typing import Any

from gi.repository import Gegl, Gimp

from . import client, effects, placing, server
from .errors import ImageGone
from .i18n import _
from .layers import is_rendered
from .placing import Result
from .progress import ProgressBar
from .settings import Settings
from .source import Job, is_unchanged, layers_among, take


def run(procedure: Any, run_mode: Any, image: Any, drawables: list[Any], config: Any) -> Any:
    """Do what the procedure promises.

    Args:
        procedure: GIMP's procedure.
        run_mode: INTERACTIVE opens the dialog.
        image: the image.
        drawables: what is selected in it.
        config: the arguments.

    Returns:
        The image that holds the result; None when the user left the dialog.

    Raises:
        PluginError: the image cannot be worked on, or GIMP refused something.
        ClientError: the server could not be had, refused, or died.
    """
    Gegl.init(None)
    if hasattr(signal, "SIGPIPE"):
        signal.signal(
            signal.SIGPIPE, signal.SIG_IGN
        )  # a server that hangs up is an error to tell, not this process's end
    layers = layers_among(image, drawables)
    if run_mode == Gimp.RunMode.INTERACTIVE:
        from .dialog import window  # the toolkit is loaded for it only

        if not window.ask(procedure, config, image, layers):
            return None
    settings = Settings.of(config)
    progress = ProgressBar()
    runtime = client.connect(server.RECORD, progress.show_waiting)
    if run_mode == Gimp.RunMode.INTERACTIVE and settings.detail is not None:
        settings = settings.fitting(client.models(runtime))  # OK may come before the window knows the models
    job = take(image, layers, settings)
    results = _enlarge(runtime, job, settings, progress)
    result, notices = _place(job, results, settings)
    progress.end()
    if result != image and run_mode != Gimp.RunMode.NONINTERACTIVE:
        Gimp.Display.new(result)
    Gimp.displays_flush()
    if notices:
        Gimp.message("\n".join(notices))
    return result


def _enlarge(runtime: client.Runtime, job: Job, settings: Settings, progress: ProgressBar) -> list[Result]:
    asked = [source.growth.of(source.sent).size for source in job.sources]
    promised = sum(each.encoding.wire.byte_count(size) for each, size in zip(job.sources, asked, strict=True))
    before = 0
    results = []
    progress.show_sending()
    for source, size in zip(job.sources, asked, strict=True):
        answer = client.upscale(
            runtime,
            source.pixels,
            source.sent.size,
            source.encoding.wire,
            client.Options(settings.model, settings.detail, settings.cleanup, size),
            samples=source.samples,
            on_progress=lambda done, _all, before=before: progress.show_progress(before + done, promised),  # type: ignore[misc]
        )
        before += len(answer)
        results.append(Result(source, answer))
    return results


def _place(job: Job, results: list[Result], settings: Settings) -> tuple[Any, list[str]]:
    """Put the results where they belong; return the image that holds them, and notices for the user."""
    if not job.image.is_valid():
        raise ImageGone(_("The image was closed while the server worked; nothing was written."))
    changed = settings.output != "new" and not is_unchanged(job)
    output = "new" if changed else settings.output
    notices = _notices(job, output)
    if changed:
        # Two lines, so that GIMP opens a box: one line it shows for seconds, and below the image that is covered now.
        notices.insert(0, _("The image changed while the server worked.\nSo the result is a new image."))
    return placing.place(job, results, output), notices


def _notices(job: Job, output: str) -> list[str]:
    replaced = output == "enlarge" or (output == "layer" and job.selection is None)
    notices = []
    if job.image.get_base_type() == Gimp.ImageBaseType.INDEXED:
        notices.append(_("The image was indexed; the result is in RGB, with more colours than its palette has."))
    for each in job.sources:
        if replaced and is_rendered(each.layer):
            notices.append(_("“{name}” became one layer of pixels; undo brings it back.").format(name=each.name))
        if each.merged:
            notices.append(
                _("Effects of “{name}” cannot be moved, so they became part of the result.").format(name=each.name)
            )
        # Through a selection the layer itself stays, and GIMP's own scaling leaves the settings of effects alone.
        stays = output == "enlarge" and job.selection is not None
        factor = each.growth.factors[0]
        small = [
            effect.name
            for effect in each.effects
            if (effects.has_size(effect) if stays else effects.keeps_size(effect, factor))
        ]
        if small:
            notices.append(
                _("These effects of “{name}” keep their size in pixels: {effects}. Adjust them by hand.").format(
                    name=each.name, effects=", ".join(small)
                )
            )
    return notices
