"""The frozen MobileNetV2 that every starter model stands on: parts of the ImageNet classifier's graph.

The classifier is MobileNetV2 1.0 (Apache-2.0), an ONNX graph with its batch norms already folded; `w65` and `b65` are its
last layer. Names of the tensors between its blocks, with channels and stride: `t2r` 32/2, `t11` 24/4, `t22` 32/8,
`t48` 96/16, `t62` 320/32, `t63r` 1280/32.
"""

from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
from onnx import TensorProto, helper, numpy_helper


def load(folder: Path) -> onnx.ModelProto:
    return onnx.load(Path(folder) / "model.onnx")


def part(model: onnx.ModelProto, wanted) -> tuple[list, list]:
    """Nodes and initializers that the tensors `wanted` need, in the order of the graph."""
    needed = set(wanted)
    nodes = []
    for node in reversed(model.graph.node):
        if needed & set(node.output):
            nodes.append(node)
            needed |= set(node.input)
    weights = [w for w in model.graph.initializer if w.name in needed]
    return nodes[::-1], weights


def classifier(folder: Path) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Weights [1001,1280], bias [1001] and names of the ImageNet classifier."""
    tensors = {w.name: numpy_helper.to_array(w) for w in load(folder).graph.initializer}
    names = (Path(folder) / "labels.txt").read_text().splitlines()
    return tensors["w65"].reshape(1001, 1280), tensors["b65"], names


def build(name, nodes, weights, inputs, outputs, opset=17) -> onnx.ModelProto:
    """A checked model; inputs and outputs are (name, type, shape)."""
    graph = helper.make_graph(
        nodes,
        name,
        [helper.make_tensor_value_info(*each) for each in inputs],
        [helper.make_tensor_value_info(*each) for each in outputs],
        weights,
    )
    result = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], producer_name="lamina")
    result.ir_version = 8
    onnx.checker.check_model(result)
    return result


def session(model) -> ort.InferenceSession:
    """One thread, on the CPU. `model` is a path or a model."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    source = str(model) if isinstance(model, (str, Path)) else model.SerializeToString()
    return ort.InferenceSession(source, options, providers=["CPUExecutionProvider"])


def normalised(pictures: np.ndarray) -> np.ndarray:
    """uint8 [n,H,W,3] -> float32 [n,3,H,W], x / 127.5 - 1."""
    return np.ascontiguousarray(pictures.astype(np.float32).transpose(0, 3, 1, 2) / 127.5 - 1.0)


def tapped(folder: Path, taps, side: int) -> ort.InferenceSession:
    """The trunk with these inner tensors as outputs, for pictures of side x side."""
    nodes, weights = part(load(folder), taps)
    model = build(
        "mobilenet_v2_taps",
        nodes,
        weights,
        [("pixel_values", TensorProto.FLOAT, ["batch", 3, side, side])],
        [(name, TensorProto.FLOAT, ["batch", f"{name}_c", f"{name}_h", f"{name}_w"]) for name in taps],
    )
    return session(model)
