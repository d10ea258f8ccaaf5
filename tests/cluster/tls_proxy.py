"""nginx from the system's packages, run with the text of docs/remote.md on a free port and a certificate of its own."""

from __future__ import annotations

import os
import re
import shutil
import socket
import ssl
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.import_graph import ROOT

NAME = "localhost"
START_SECONDS = 30

AROUND = """
{user}
daemon off;
pid {folder}/nginx.pid;
error_log {folder}/error.log info;
events {{ worker_connections 64; }}
http {{
    access_log {folder}/access.log;
    client_body_temp_path {folder}/temp-upload;
    proxy_temp_path {folder}/temp-download;
    fastcgi_temp_path {folder}/temp-1;
    uwsgi_temp_path {folder}/temp-2;
    scgi_temp_path {folder}/temp-3;
{server}
}}
"""


@dataclass(frozen=True)
class Proxy:
    """A running nginx in front of a server.

    Attributes:
        url: https://NAME:PORT.
        port: where it listens, on loopback.
        certificate: what a client must trust.
        folder: where nginx would put what it buffers on disk.
    """

    url: str
    port: int
    certificate: Path
    folder: Path

    def connect(self) -> ssl.SSLSocket:
        """Open a connection without any HTTP on it."""
        trusted = ssl.create_default_context(cafile=str(self.certificate))
        return trusted.wrap_socket(socket.create_connection(("127.0.0.1", self.port), 30), server_hostname=NAME)

    def buffered(self) -> list[Path]:
        """List what nginx has put on disk."""
        return [path for path in self.folder.glob("temp-*/**/*") if path.is_file()]


def needed_program(name: str) -> str:
    """Find a program of the system; skip without it, fail in continuous integration."""
    found = shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")
    if found is None:
        complaint = f"{name} is not installed (apt install nginx-light openssl)"
        if os.environ.get("CI") == "true":
            pytest.fail(complaint)
        pytest.skip(complaint)
    return found


def make_certificate(folder: Path, name: str) -> Path:
    """Make server.crt and server.key as docs/remote.md tells it."""
    command = [needed_program("openssl"), "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"]
    command += ["-keyout", str(folder / "server.key"), "-out", str(folder / "server.crt")]
    command += ["-subj", f"/CN={name}", "-addext", f"subjectAltName=DNS:{name}"]
    subprocess.run(command, check=True, capture_output=True)
    return folder / "server.crt"


def documented_server(backend: str, port: int, folder: Path) -> str:
    """Take nginx's configuration out of docs/remote.md, with the places of this test in it."""
    text = (ROOT / "docs" / "remote.md").read_text(encoding="utf-8")
    found = re.search(r"```nginx\n(.*?)```", text, re.DOTALL)
    assert found is not None, "docs/remote.md has no nginx example"
    server = found[1]
    for documented, here in (
        ("listen 443 ssl", f"listen 127.0.0.1:{port} ssl"),
        ("upscale.example", NAME),
        ("/etc/neural-upscale", str(folder)),
        ("http://127.0.0.1:8765", backend),
    ):
        assert documented in server, f"docs/remote.md does not say {documented!r} any more"
        server = server.replace(documented, here)
    return server


@contextmanager
def tls_proxy(backend: str, folder: Path) -> Iterator[Proxy]:
    """Run nginx in front of a server; ends it afterwards."""
    program = needed_program("nginx")
    certificate = make_certificate(folder, NAME)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    user = "user root;" if os.geteuid() == 0 else ""  # else its workers could not enter this test's folder
    server = documented_server(backend, port, folder)
    (folder / "nginx.conf").write_text(AROUND.format(user=user, folder=folder, server=server))
    process = subprocess.Popen([program, "-p", str(folder), "-c", "nginx.conf", "-e", str(folder / "error.log")])
    try:
        _wait(process, port, folder)
        yield Proxy(f"https://{NAME}:{port}", port, certificate, folder)
    finally:
        process.terminate()
        process.wait(20)


def _wait(process: subprocess.Popen[bytes], port: int, folder: Path) -> None:
    until = time.monotonic() + START_SECONDS
    while process.poll() is None and time.monotonic() < until:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    pytest.fail(f"nginx did not start:\n{(folder / 'error.log').read_text()[-3000:]}")
