"""Fetches one file over HTTP: streamed to disk, resumed after an interruption, kept only if its hash is right."""

from __future__ import annotations

import hashlib
from pathlib import Path

import requests
from tqdm import tqdm

from trainer.errors import PerceptualError
from weights.atomic import rename

_CHUNK = 1 << 16  # what a broken connection may cost
_TIMEOUT_SECONDS = (10, 60)
_ATTEMPTS = 3


def fetch(url: str, target: Path, sha256: str, attempts: int = _ATTEMPTS) -> Path:
    """Fetch a file, or go on with what an earlier attempt left beside the target.

    Args:
        url: http or https.
        target: Where the complete file is put; its folder is created.
        sha256: How its SHA-256 (hexadecimal) must begin.
        attempts: How often a broken connection is taken up again.

    Returns:
        The target.

    Raises:
        PerceptualError: The server cannot be reached or refuses, the disk is full, or the file is another one.
    """
    part = target.with_name(target.name + ".part")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        failure = None
        for _ in range(attempts):
            failure = _append(url, part)
            if failure is None:
                _keep_if_right(url, part, target, sha256)
                return target
    except requests.RequestException as error:
        failure = error
    except OSError as error:
        raise PerceptualError(f"{target} cannot be written ({error.strerror or error}); make room there") from error
    raise PerceptualError(
        f"{url} could not be fetched ({_reason(failure)}); connect to the network and run the same command again "
        "(it goes on where it stopped), or fetch the file by other means and name it with --perceptual-weights"
    ) from failure


def _append(url: str, part: Path) -> requests.RequestException | None:
    """Fetch what is missing; return what broke the connection, None when everything is there."""
    try:
        _stream(url, part)
    except (requests.ConnectionError, requests.Timeout, requests.exceptions.ChunkedEncodingError) as error:
        return error
    return None


def _stream(url: str, part: Path) -> None:
    there = part.stat().st_size if part.exists() else 0
    headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={there}-"} if there else {})
    with requests.get(url, headers=headers, stream=True, timeout=_TIMEOUT_SECONDS) as answer:
        if there and answer.status_code == requests.codes.requested_range_not_satisfiable:
            return  # everything was there already; the hash decides
        answer.raise_for_status()
        if answer.status_code != requests.codes.partial_content:
            there = 0  # the server ignored the range and sends the whole file
        promised = int(answer.headers.get("Content-Length", 0))
        with (
            part.open("ab" if there else "wb") as file,
            tqdm(total=there + promised, initial=there, unit="B", unit_scale=True, desc=part.stem, delay=1) as bar,
        ):
            for chunk in answer.iter_content(_CHUNK):
                bar.update(file.write(chunk))
        if promised and part.stat().st_size < there + promised:
            raise requests.ConnectionError(f"{part.stat().st_size} of {there + promised} bytes came")


def _keep_if_right(url: str, part: Path, target: Path, sha256: str) -> None:
    digest = hashlib.sha256()
    with part.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    if not digest.hexdigest().startswith(sha256):
        part.unlink()
        raise PerceptualError(
            f"{url} gave a file with SHA-256 {digest.hexdigest()[:12]}…, {sha256}… was expected; it was thrown away; "
            "run the same command again, or name a file with --perceptual-weights"
        )
    rename(part, target)


def _reason(error: requests.RequestException | None) -> str:
    if error is not None and error.response is not None:
        return f"status {error.response.status_code}"
    return type(error).__name__
