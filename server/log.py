"""The log: one JSON object a line on standard error, with the request id that error messages carry too.

It is bounded in every way, because strangers cause lines as well: texts are cut, refusals of strangers are counted
where they come too fast, a file is rotated, and a reader that takes nothing makes lines get lost, not requests.
"""

from __future__ import annotations

import contextlib
import json
import logging
import queue
import threading
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path

from server.standard_streams import write_error

_OWN = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
REMEMBERED = 200  # lines
LONGEST_TEXT = 200  # characters
LONGEST_TRACEBACK = 8000  # characters, from its end
STRANGERS_LINES = 10  # a second; the others are counted
MOST_WAITING = 1000  # lines on their way to standard error
PATIENCE = 0.5  # seconds that somebody waits for standard error, once


class JsonFormatter(logging.Formatter):
    """Time, level, message, and whatever was passed as `extra`; a traceback under `traceback`."""

    def format(self, record: logging.LogRecord) -> str:
        """Return a log record as one line of JSON."""
        line: dict[str, object] = {
            "time": time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created)) + f".{int(record.msecs):03d}Z",
            "level": record.levelname.lower(),
            "message": _cut(record.getMessage()),
        }
        line |= {name: _cut(value) for name, value in vars(record).items() if name not in _OWN and name[0] != "_"}
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)[-LONGEST_TRACEBACK:]
        return json.dumps(line, default=lambda value: _cut(str(value)))


def _cut(value: object) -> object:
    return value[:LONGEST_TEXT] + "…" if isinstance(value, str) and len(value) > LONGEST_TEXT else value


class StrangersLimit(logging.Filter):
    """Lets a few lines a second pass of those that strangers cause, marked by `extra={"_stranger": True}`."""

    def __init__(self) -> None:
        super().__init__()
        self._second, self._count, self._left_out = 0, 0, 0

    def filter(self, record: logging.LogRecord) -> bool:
        """Return whether the line passes; the first that passes says how many did not."""
        if not getattr(record, "_stranger", False):
            return True
        if int(record.created) != self._second:
            self._second, self._count = int(record.created), 0
        self._count += 1
        if self._count > STRANGERS_LINES:
            self._left_out += 1
            return False
        if self._left_out:
            record.left_out, self._left_out = self._left_out, 0
        return True


class BoundedLog(logging.Handler):
    """Keeps the last lines for the page, and writes all in a thread, so that nobody waits for whoever reads them.

    Args:
        write: takes a line with its end; may block, and may raise OSError.
    """

    def __init__(self, write: Callable[[str], None]) -> None:
        super().__init__()
        self.setFormatter(JsonFormatter())
        self.addFilter(StrangersLimit())
        self.lines: deque[str] = deque(maxlen=REMEMBERED)
        self._write = write
        self._waiting: queue.Queue[str] = queue.Queue(MOST_WAITING)
        self._lost = 0
        self._is_stuck = False
        threading.Thread(target=self._run, name="log", daemon=True).start()

    def emit(self, record: logging.LogRecord) -> None:
        """Hand one line over and wait for it, unless the reader has shown that it takes nothing."""
        if self._lost:
            record.lost = self._lost
        line = self.format(record)
        if record.levelno >= logging.INFO:
            self.lines.append(line)
        try:
            self._waiting.put_nowait(line)
            self._lost = 0
        except queue.Full:
            self._lost += 1
        if not self._is_stuck:
            self.flush()

    def flush(self) -> None:
        """Wait for what was handed over, but not for a reader that takes nothing."""
        with self._waiting.all_tasks_done:
            done = self._waiting.all_tasks_done.wait_for(lambda: not self._waiting.unfinished_tasks, PATIENCE)
            self._is_stuck = not done

    def _run(self) -> None:
        while True:
            line = self._waiting.get()
            with contextlib.suppress(OSError, ValueError):  # nobody is left to be told
                self._write(line + "\n")
            self._waiting.task_done()
            self._is_stuck = False


def set_up_log(file: Path, level: int = logging.INFO) -> BoundedLog:
    """Send everything to standard error.

    Args:
        file: rotated when it has grown large, where standard error goes there.
        level: the lowest that is told.

    Returns:
        What remembers the last lines.
    """
    handler = BoundedLog(lambda line: write_error(line, file))
    logging.basicConfig(level=level, handlers=[handler], force=True)
    for noisy in ("waitress.queue", "PIL"):
        logging.getLogger(noisy).setLevel(logging.ERROR)
    logging.getLogger("waitress").setLevel(logging.WARNING)
    return handler
