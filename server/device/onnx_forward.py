"""onnxruntime: the generator as an ONNX graph of our own writing, for any size of tile."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from server.device.engine_forward import Forward
from server.device.winograd.layers import Convolution, Layer, layers_of
from weights import Generator

OPSET = 17
FORMAT = 8  # the IR version that every onnxruntime since 1.12 reads
ERRORS_ONLY = 3


def build(generator: Generator, threads: int) -> Forward:
    """Make a generator ready for onnxruntime; raises `Unavailable` for another architecture than `compact`."""
    return _OnnxRuntime(onnx_bytes(layers_of(generator)), threads)


class _OnnxRuntime:
    def __init__(self, model: bytes, threads: int) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.log_severity_level = ERRORS_ONLY
        # Threads that spin while they wait would take the cores from whoever reads, converts and sends.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self._session: Any = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])

    def __call__(self, tiles: NDArray[np.float32]) -> NDArray[np.float32]:
        results = [self._session.run(None, {"low_res": tiles[index : index + 1]})[0] for index in range(len(tiles))]
        return results[0] if len(results) == 1 else np.concatenate(results)


def onnx_bytes(layers: list[Layer]) -> bytes:
    """Write the graph: input `low_res` (1, 3, H, W), output `high_res` (1, 3, 2H, 2W), float32, any H and W."""
    from onnx import TensorProto, helper, numpy_helper

    nodes, constants, before = [], [], "low_res"
    for index, layer in enumerate(layers):
        after = f"features{index}"
        if isinstance(layer, Convolution):
            names = [f"weight{index}", f"bias{index}"]
            constants += [
                numpy_helper.from_array(value, name)
                for value, name in zip((layer.weight, layer.bias), names, strict=True)
            ]
            nodes.append(helper.make_node("Conv", [before, *names], [after], kernel_shape=[3, 3], pads=[1, 1, 1, 1]))
        else:
            constants.append(numpy_helper.from_array(layer.slope.reshape(-1, 1, 1), f"slope{index}"))
            nodes.append(helper.make_node("PRelu", [before, f"slope{index}"], [after]))
        before = after
    constants.append(numpy_helper.from_array(np.array([1, 1, 2, 2], np.float32), "scales"))
    nearest = {"mode": "nearest", "coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
    nodes += [
        helper.make_node("DepthToSpace", [before], ["residual"], blocksize=2, mode="CRD"),
        helper.make_node("Resize", ["low_res", "", "scales"], ["nearest"], **nearest),
        helper.make_node("Add", ["residual", "nearest"], ["high_res"]),
    ]
    ends = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 3, rows, columns])
        for name, rows, columns in (("low_res", "height", "width"), ("high_res", "height2", "width2"))
    ]
    graph = helper.make_graph(nodes, "generator", ends[:1], ends[1:], constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=FORMAT)
    serialised: bytes = model.SerializeToString()
    return serialised
