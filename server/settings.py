"""What can be set, with the defaults, and the checks across them. Nothing heavy."""

from __future__ import annotations

import importlib.util
import ipaddress
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from server.client.protocol import DEFAULT_PORT
from server.client.records import runtime_path
from server.errors import CannotStart

DTYPES = ("auto", "float32", "float16", "bfloat16")
ENGINES = ("auto", "torch", "winograd")
WORKERS = ("local", "ray")
SHORTEST_TOKEN = 16  # characters
DEPTH_BYTES = 16  # of the widest pixel


@dataclass(frozen=True)
class Settings:
    """The server's configuration; `check()` before use."""

    host: str = "127.0.0.1"  # address to listen on
    port: int = DEFAULT_PORT  # 0 for a free one
    token: str | None = field(default=None, repr=False)  # None makes a new one at every start
    trusted_hosts: tuple[str, ...] = ()  # names beside loopback's that a Host header may carry
    weights: tuple[Path, ...] = ()  # folders of weights files beside the shipped ones
    device: str = "auto"  # auto, cpu, mps, cuda, cuda:N, vulkan, vulkan:N, or several with commas
    dtype: str = "auto"  # one of DTYPES
    engine: str = "auto"  # one of ENGINES; what runs the generator on a CPU
    workers: str = "local"  # one of WORKERS; "ray" hands the batches to a cluster
    # HOST:PORT of the cluster's head; None takes RAY_ADDRESS, or starts Ray on this machine
    ray_address: str | None = None
    max_megapixels: float = 256.0  # largest picture, 10⁶ pixels of the input
    max_file_bytes: int = 256 << 20  # largest body of the file route, bytes
    max_batch: int = 16  # tiles in one run of the generator
    max_wait: float = 0.005  # seconds that a batch waits for more tiles while several requests are under way
    queue: int = 64  # requests under way at once
    keep_alive: float = 300.0  # seconds without work after which the device's memory is given back
    idle_exit: float = 0.0  # seconds without a request after which the server ends; 0 for never
    stall_limit: float = 60.0  # seconds after which a client that takes nothing is dropped
    runtime: Path = field(default_factory=runtime_path)  # the runtime file
    cache: Path = field(default_factory=lambda: cache_folder())  # folder for what is spooled to disk

    @property
    def max_pixels(self) -> int:
        """Return the largest number of input pixels."""
        return int(self.max_megapixels * 1e6)

    @property
    def engine_choice(self) -> Path:
        """Return the file that keeps which engine is the fastest on this machine."""
        return self.cache.with_name("engine.json")

    @property
    def speeds(self) -> Path:
        """Return the file that keeps how fast each model is on this machine."""
        return self.cache.with_name("speeds.json")

    @property
    def native(self) -> Path:
        """Return the folder of what is compiled on this machine."""
        return self.cache.with_name("native")

    @property
    def hosts(self) -> frozenset[str]:
        """Return every name that a Host header may carry, lower case, without port."""
        names = ("127.0.0.1", "localhost", "::1", self.host, *self.trusted_hosts)
        return frozenset(host_in_url(name).lower() for name in names)

    def check(self) -> None:
        """Find everything that is wrong at once.

        Raises:
            CannotStart: one sentence for each fault, naming the flag.
        """
        faults = []
        if not 0 <= self.port <= 65535:
            faults.append(f"--port is {self.port}; expected 0…65535.")
        if not is_loopback(self.host) and self.token is None:
            faults.append(
                f"--host {self.host} lets other machines in; expected a --token of your own: give a --token-file."
            )
        if self.token is not None and (len(self.token) < SHORTEST_TOKEN or not self.token.isascii()):
            faults.append(f"--token has {len(self.token)} characters; expected at least {SHORTEST_TOKEN}, plain ASCII.")
        if self.token is not None and not self.token.isprintable():
            faults.append("--token holds a control character; expected letters, digits and punctuation.")
        if self.dtype not in DTYPES:
            faults.append(f"--dtype is {self.dtype}; expected one of {', '.join(DTYPES)}.")
        if self.engine not in ENGINES:
            faults.append(f"--engine is {self.engine}; expected one of {', '.join(ENGINES)}.")
        faults += self._worker_faults()
        if not 0 < self.max_megapixels <= 100_000:
            faults.append(f"--max-megapixels is {self.max_megapixels:g}; expected more than 0, at most 100000.")
        if self.max_batch < 1 or self.queue < 1:
            faults.append(f"--max-batch is {self.max_batch} and --queue {self.queue}; expected 1 or more.")
        if min(self.max_wait, self.keep_alive, self.idle_exit) < 0 or self.stall_limit <= 0:
            faults.append("a time is negative (--max-wait, --keep-alive, --idle-exit); expected seconds, 0 or more.")
        faults += [f"--weights {folder} is no folder; make it first." for folder in self.weights if not folder.is_dir()]
        if faults:
            raise CannotStart(" ".join(faults))

    def _worker_faults(self) -> list[str]:
        faults = []
        if self.workers not in WORKERS:
            faults.append(f"--workers is {self.workers}; expected one of {', '.join(WORKERS)}.")
        if self.workers == "ray" and importlib.util.find_spec("ray") is None:
            faults.append('--workers ray needs Ray, which is not installed: pip install "neural-upscale[cluster]".')
        if self.ray_address is not None and self.workers != "ray":
            faults.append("--ray-address needs --workers ray; give both, or neither.")
        if self.ray_address is not None and "://" in self.ray_address:
            faults.append(
                f"--ray-address is {self.ray_address}; expected HOST:PORT of the cluster's head, with this server on "
                "one of its machines."
            )
        return faults


def is_loopback(host: str) -> bool:
    """Return whether only this machine can reach the address."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def host_in_url(host: str) -> str:
    """Return the host as it stands in a URL and in a Host header: an IPv6 address in brackets."""
    return f"[{host}]" if ":" in host and not host.startswith("[") else host


def cache_folder(environment: Mapping[str, str] = os.environ) -> Path:
    """Return the folder for spooled bodies: the user's cache, never a RAM disk."""
    return _folder(environment, "XDG_CACHE_HOME", (".cache",), ("Library", "Caches")) / "spool"


def user_weights_folder(environment: Mapping[str, str] = os.environ) -> Path:
    """Return the folder where users put weights files of their own."""
    return _folder(environment, "XDG_DATA_HOME", (".local", "share"), ("Library", "Application Support")) / "weights"


def _folder(environment: Mapping[str, str], variable: str, linux: tuple[str, ...], mac: tuple[str, ...]) -> Path:
    home = Path.home()
    if sys.platform == "win32":
        base = Path(environment.get("LOCALAPPDATA") or home / "AppData" / "Local")
    elif sys.platform == "darwin":
        base = home.joinpath(*mac)
    else:
        base = Path(environment.get(variable) or home.joinpath(*linux))
    return base / "neural-upscale"
