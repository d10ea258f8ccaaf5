"""What the command line says about a failure: the fault's own sentence, or where the log has the details."""

from __future__ import annotations

from server.client import ClientError, log_fault
from server.errors import CannotStart, ServerError

LOG_NAME = "command-line.log"  # beside the server's


def sentence_of(fault: Exception) -> str:
    """Return a sentence about a failure; one that nobody foresaw is logged with its traceback.

    Args:
        fault: what was raised.

    Returns:
        What to print.
    """
    if isinstance(fault, (ServerError, ClientError, CannotStart)):
        return str(fault)
    if isinstance(fault, OSError) and fault.strerror:
        named = f" ({fault.filename})" if fault.filename else ""
        return f"{fault.strerror}{named}."
    if isinstance(fault, RuntimeError) and "home directory" in str(fault):
        return "Your home folder is not known; expected the variable HOME to name it; set it."
    if isinstance(fault, MemoryError):
        return "There is not enough memory for this picture; enlarge a part of it."
    return f"Something failed that nobody foresaw ({fault!r}); {log_fault(fault, LOG_NAME)}."
