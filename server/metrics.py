"""Counters for `/metrics`, in a registry of their own."""

from __future__ import annotations

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
SECONDS = (0.001, 0.005, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)


class Metrics:
    """What is counted; the queue's observer."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "neural_upscale_requests", "Requests answered.", ["route", "status"], registry=self.registry
        )
        self.pixels = Counter("neural_upscale_pixels", "Input pixels enlarged and sent.", registry=self.registry)
        self.tiles = Counter("neural_upscale_tiles", "Tiles run.", registry=self.registry)
        self.batch_size = Histogram(
            "neural_upscale_batch_size", "Tiles in a batch.", buckets=(1, 2, 4, 8, 16, 32, 64), registry=self.registry
        )
        self.queue_seconds = Histogram(
            "neural_upscale_queue_seconds", "Time that a tile waited.", buckets=SECONDS, registry=self.registry
        )
        self.device_seconds = Histogram(
            "neural_upscale_device_seconds", "Time that a batch took.", buckets=SECONDS, registry=self.registry
        )

    def watch_queue(self, under_way: Callable[[], int]) -> None:
        """Show the number of requests under way as it is when asked."""
        gauge = Gauge("neural_upscale_requests_under_way", "Requests that hold a place.", registry=self.registry)
        gauge.set_function(under_way)

    def batch_ran(self, tiles: int, seconds: float, waited: list[float]) -> None:
        """Count a batch."""
        self.tiles.inc(tiles)
        self.batch_size.observe(tiles)
        self.device_seconds.observe(seconds)
        for each in waited:
            self.queue_seconds.observe(each)

    def text(self) -> bytes:
        """Return the exposition format."""
        return generate_latest(self.registry)
