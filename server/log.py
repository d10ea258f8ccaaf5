"""The log: one JSON object a line on standard error, with the request id that error messages carry too."""

from __future__ import annotations

import json
import logging
import sys
import time
from collections import deque

_OWN = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
REMEMBERED = 200  # lines


class JsonFormatter(logging.Formatter):
    """Time, level, message, and whatever was passed as `extra`; a traceback under `traceback`."""

    def format(self, record: logging.LogRecord) -> str:
        """Return a log record as one line of JSON."""
        line: dict[str, object] = {
            "time": time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created)) + f".{int(record.msecs):03d}Z",
            "level": record.levelname.lower(),
            "message": record.getMessage(),
        }
        line |= {name: value for name, value in vars(record).items() if name not in _OWN and name[0] != "_"}
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str)


class RecentLines(logging.Handler):
    """Keeps the last lines for the page."""

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self.lines: deque[str] = deque(maxlen=REMEMBERED)
        self.setFormatter(JsonFormatter())

    def emit(self, record: logging.LogRecord) -> None:
        """Keep one line."""
        self.lines.append(self.format(record))


def set_up_log(level: int = logging.INFO) -> RecentLines:
    """Send everything to standard error, and remember the last lines."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter())
    recent = RecentLines()
    logging.basicConfig(level=level, handlers=[handler, recent], force=True)
    for noisy in ("waitress.queue", "PIL"):
        logging.getLogger(noisy).setLevel(logging.ERROR)
    logging.getLogger("waitress").setLevel(logging.WARNING)
    return recent
