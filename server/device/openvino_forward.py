"""OpenVINO: the graph is written with its own operations, so that nothing is traced or converted.

A form compiled for one size of tile measured a fifth faster than one for any size, and compiling takes about as long
as running one large tile: a size that comes again and again gets a form of its own.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from server.device.engine_forward import Forward
from server.device.winograd.layers import Convolution, Layer, layers_of
from weights import Generator

OFTEN = 2  # tiles of one size after which it gets its own form
KEPT = 3  # such forms kept
REMEMBERED = 64  # sizes counted
FASTEST = "LATENCY"


def build(generator: Generator, threads: int) -> Forward:
    """Make a generator ready for OpenVINO; raises `Unavailable` for another architecture than `compact`."""
    return _OpenVino(layers_of(generator), threads)


class _OpenVino:
    def __init__(self, layers: list[Layer], threads: int) -> None:
        import openvino

        self._openvino: Any = openvino
        self._core: Any = openvino.Core()
        self._layers = layers
        self._settings = {
            "INFERENCE_PRECISION_HINT": "f32",  # else bfloat16 where the processor has it, the sum included
            "PERFORMANCE_HINT": FASTEST,
            "INFERENCE_NUM_THREADS": threads,
            "ENABLE_CPU_PINNING": False,  # the other threads of this process need the same cores
        }
        self._any_size = self._compile(-1, -1)
        self._own_size: OrderedDict[tuple[int, int], Any] = OrderedDict()
        self._seen: Counter[tuple[int, int]] = Counter()

    def __call__(self, tiles: NDArray[np.float32]) -> NDArray[np.float32]:
        count, channels, height, width = tiles.shape
        result = np.empty((count, channels, 2 * height, 2 * width), np.float32)
        request = self._request(height, width, count)
        for index in range(count):  # one by one: on a CPU a batch gains nothing, and needs a form of its own
            request.set_input_tensor(0, self._openvino.Tensor(tiles[index : index + 1], shared_memory=True))
            request.set_output_tensor(0, self._openvino.Tensor(result[index : index + 1], shared_memory=True))
            request.infer()
        return result

    def _request(self, height: int, width: int, count: int) -> Any:
        size = (height, width)
        if size in self._own_size:
            self._own_size.move_to_end(size)
            return self._own_size[size]
        if len(self._seen) >= REMEMBERED:
            self._seen.clear()
        self._seen[size] += count
        if self._seen[size] <= OFTEN:
            return self._any_size
        del self._seen[size]
        self._own_size[size] = self._compile(height, width)
        while len(self._own_size) > KEPT:
            self._own_size.popitem(last=False)
        return self._own_size[size]

    def _compile(self, height: int, width: int) -> Any:
        model = _graph(self._layers)
        model.reshape([1, 3, height, width])
        return self._core.compile_model(model, "CPU", self._settings).create_infer_request()


def _graph(layers: list[Layer]) -> Any:
    import openvino
    from openvino import opset13 as operations

    low_res = operations.parameter([1, 3, -1, -1], np.float32)
    features: Any = low_res
    for layer in layers:
        if isinstance(layer, Convolution):
            weight = operations.constant(layer.weight)
            features = operations.convolution(features, weight, [1, 1], [1, 1], [1, 1], [1, 1])
            features = operations.add(features, operations.constant(layer.bias.reshape(1, -1, 1, 1)))
        else:
            features = operations.prelu(features, operations.constant(layer.slope))
    residual = operations.depth_to_space(features, "depth_first", 2)
    nearest = operations.interpolate(
        low_res, operations.constant(np.array([2, 2], np.float32)), "nearest", "scales", [0, 0], [0, 0],
        "asymmetric", "floor", axes=operations.constant(np.array([2, 3])),
    )  # fmt: skip
    return openvino.Model([operations.add(residual, nearest)], [low_res], "generator")
