"""What the pictures of a run share: the server, the processes that decode, memory, and the bar on the terminal."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from server import client
from server.cli.upscale.batch import Order, Task, free_name
from server.cli.upscale.jobs import Progress, Room
from server.client.start import START_OPTIONS
from server.errors import ClientGone, WrongParameter
from server.images import limits
from server.images.decoder import Decoder
from server.images.files import READ_ONLY, format_of
from server.images.photo import Photo
from server.images.saving import check_target, save_photo
from server.plugins.install import server_command

Answer = TypeVar("Answer")


class Upscaler:
    """Upscales pictures, each when it is told to; its methods may be called by several threads.

    Args:
        order: what the user asked for.
        pictures: how many there are.
    """

    def __init__(self, order: Order, pictures: int) -> None:
        self.order = order
        self._runtime = find_server()
        self._lock = threading.Lock()
        self._cancel = client.Cancel()
        self._idle: list[Decoder] = []
        self._room = Room(limits.memory())
        self.progress = Progress(pictures)

    def __enter__(self) -> Upscaler:
        return self

    def __exit__(self, *_fault: object) -> None:
        self.progress.close()
        for decoder in self._idle:
            decoder.close()

    def stop(self) -> None:
        """Make whatever is under way end soon."""
        self._cancel.cancel()

    def upscale_file(self, task: Task) -> tuple[Path, list[str]]:
        """Upscale one file.

        Args:
            task: source and target; the target's folder is made where it is missing.

        Returns:
            The result's path, and sentences about what was chosen, and what could not be kept.

        Raises:
            WrongParameter: the target is there already.
        """
        if not task.lacks_size:
            free_name(task.target, self.order, task.number)
        photo = self.read(task.source, task.source.name)
        result = self.order.size.size_for(photo.size)
        target = free_name(task.target_for(result), self.order, task.number)
        target.parent.mkdir(parents=True, exist_ok=True)
        check_target(target, result, photo.pixel_format.bytes_per_pixel)
        told = []
        if task.source.suffix.lower() in READ_ONLY and self.order.kind is None and task.target != self.order.output:
            told = [f"{task.source.suffix[1:].upper()} is only read; the result is a {format_of(target)}."]
        with self._room.of(photo.samples.nbytes + 2 * photo.pixel_format.byte_count(result)):
            enlarged, chosen = self.enlarge(photo, result, str(task.source))
            target, notices = self.save(enlarged, target, task.target_for(result), task.number)
        return target, chosen + told + notices

    def read(self, source: bytes | Path, name: str) -> Photo:
        """Read a picture that is no larger than the server takes."""
        most = self._ask(most_pixels, name)
        with self._decoder() as decoder:
            try:
                return decoder.read(source, name, most, is_gone=lambda: self._cancel.cancelled)
            except ClientGone:
                raise client.Cancelled("Cancelled.") from None

    def enlarge(self, photo: Photo, result: client.Size, name: str) -> tuple[Photo, list[str]]:
        """Have the server enlarge a photo.

        Args:
            photo: what to enlarge.
            result: the result's size.
            name: what to call it on the terminal.

        Returns:
            The result, and with --verbose a sentence on what the server chose.
        """
        chosen: list[client.Chosen] = []
        options = client.Options(self.order.model, self.order.detail, self.order.cleanup, result)
        self.progress.show(name, 0)

        def ask(runtime: client.Runtime) -> bytearray:
            return client.upscale(
                runtime, photo.samples, photo.size, photo.pixel_format, options, on_chosen=chosen.append,
                on_progress=lambda done, promised: self.progress.show(name, done / promised), cancel=self._cancel,
            )  # fmt: skip

        pixels = self._ask(ask, name)
        return photo.enlarged(pixels, result), [_sentence(chosen[-1])] if self.order.verbose else []

    def save(self, photo: Photo, target: Path, wanted: Path, number: int) -> tuple[Path, list[str]]:
        """Save a result.

        Args:
            photo: what to save.
            target: a free name for it.
            wanted: the name that it has without a number.
            number: that its name has at least, where names are numbered.

        Returns:
            The path, and the notices of `write_photo`.

        Raises:
            WrongParameter: the name was taken meanwhile.
        """
        while True:
            try:
                return target, save_photo(photo, target, replace=self.order.overwrite)
            except FileExistsError:
                if not self.order.number:
                    raise WrongParameter(f"{target} has come into being meanwhile; name another with -o.") from None
                target = free_name(wanted, self.order, number)

    def _ask(self, ask: Callable[[client.Runtime], Answer], name: str) -> Answer:
        """Ask the server, or another one that is started where it is gone."""
        runtime = self._runtime
        try:
            return ask(runtime)
        except client.NoServer:
            with self._lock:
                if self._runtime is runtime:
                    with self.progress.hidden():
                        complain(f"{name}: the server is gone; starting another one.")
                    self._runtime = find_server()
            return ask(self._runtime)

    @contextmanager
    def _decoder(self) -> Iterator[Decoder]:
        """Lend a process that decodes."""
        with self._lock:
            decoder = self._idle.pop() if self._idle else Decoder()
        try:
            yield decoder
        finally:
            with self._lock:
                self._idle.append(decoder)


def _sentence(chosen: client.Chosen) -> str:
    controls = {"detail": chosen.detail, "cleanup": chosen.cleanup}
    return ", ".join([chosen.model, *(f"{name} {value:g}" for name, value in controls.items() if value is not None)])


def most_pixels(runtime: client.Runtime) -> int:
    """Return the largest number of pixels that the server takes."""
    return int(client.status(runtime)["limits"]["megapixels"] * 1e6)


def find_server() -> client.Runtime:
    """Return the running server, or start one that ends by itself when it is not used."""
    command = server_command()
    started = False

    def tell(waited: float) -> None:
        nonlocal started
        if waited > 1 and not started:
            started = True
            complain("starting the server…")

    return client.find_or_start([*command, *(START_OPTIONS if START_OPTIONS[0] not in command else ())], on_wait=tell)


def complain(text: str) -> None:
    """Print a sentence to standard error."""
    print(f"neural-upscale: {text}", file=sys.stderr)  # noqa: T201
