"""The runtime file: how clients find this server and its token. Written once it listens, removed when it ends."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import stat
import urllib.parse
from pathlib import Path

from server.client.files import write_file
from server.client.protocol import ClientError, Runtime
from server.client.records import read_runtime
from server.errors import CannotStart


def new_token() -> str:
    """Make a token, 256 bits."""
    return secrets.token_urlsafe(32)


def write_runtime(path: Path, runtime: Runtime) -> None:
    """Write the runtime file, 0600 in a folder of 0700 where it has to be made.

    Args:
        path: where; what lies there is replaced.
        runtime: its contents.

    Raises:
        CannotStart: others may write to the folder, it cannot be written, or what lies there was written by hand.
    """
    _spare_remote(path)
    contents = {"url": runtime.url, "token": runtime.token, "pid": runtime.pid, "version": runtime.version}
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        mode = path.parent.stat().st_mode
        if os.name == "posix" and mode & 0o022 and not mode & stat.S_ISVTX:
            raise CannotStart(
                f"Others may write to {path.parent} (rights {stat.S_IMODE(mode):04o}), where the runtime file goes; "
                f'expected 0700: chmod 700 "{path.parent}"'
            )
        write_file(path, json.dumps(contents).encode(), 0o600)
    except OSError as fault:
        raise CannotStart(f"The runtime file {path} cannot be written ({fault}); choose another folder.") from fault


def _spare_remote(path: Path) -> None:
    """Refuse to replace what somebody wrote by hand, so that the plug-ins use a server elsewhere."""
    with contextlib.suppress(ClientError):
        found = read_runtime(path)
        if found.remote:
            raise CannotStart(
                f"{path} names the server at {found.url}, so that the plug-ins use that one; remove the file to serve "
                "here, or name another with NEURAL_UPSCALE_RUNTIME."
            )


def remove_runtime(path: Path) -> None:
    """Remove the runtime file, if it is still this process's."""
    with contextlib.suppress(ClientError, OSError):
        if read_runtime(path).pid == os.getpid():
            path.unlink()


def page_address(runtime: Runtime) -> str:
    """Return the page's address; the token is in the fragment, which browsers do not send."""
    return f"{runtime.url}/#token={urllib.parse.quote(runtime.token, safe='')}"


def who_has(url: str, path: Path) -> str:
    """Name, for a sentence, who answers at an address that is taken.

    Args:
        url: http://HOST:PORT.
        path: the runtime file.

    Returns:
        A clause such as "a Neural Upscale server, process 4711".
    """
    from server.client.connection import is_healthy

    if not is_healthy(Runtime(url, "")):
        return "another program"
    with contextlib.suppress(ClientError):
        found = read_runtime(path)
        if found.url == url:
            return f"a Neural Upscale server, process {found.pid}, which can be used as it is"
    return "a Neural Upscale server that this runtime file does not know, perhaps another user's"
