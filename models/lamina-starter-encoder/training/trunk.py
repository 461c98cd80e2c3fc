"""The frozen MobileNetV2 trunk: cut from the ImageNet classifier, with pooled outputs.

The classifier is MobileNetV2 1.0 (Apache-2.0), an ONNX graph with its batch norms already folded.
`pooled_graph` returns it without the classifier and with the few pooled tensors that the head reads.
"""

from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
from onnx import TensorProto, helper, numpy_helper

RESOLUTION = 192  # the last feature map is 6 x 6

# (block, size) in the order in which the head reads them.
GRID = 9 * 1280  # 3 x 3 averages of the last features, cell by cell
MAXIMUM = 1280  # maximum of the last features
DETAIL = 32 + 64 + 192 + 3 * 6 * 6  # early layers (texture, colour) and a thumbnail of 6 x 6 mean pixels
WIDTH = GRID + MAXIMUM + DETAIL

LAST, MIDDLE, EARLY, FIRST = "t63r", "t48", "t22", "t2r"


def pooled_graph(model: onnx.ModelProto) -> onnx.ModelProto:
    """Cut the classifier off and add outputs `grid` [n,9,1280], `maximum` and `detail`."""
    graph = model.graph
    stop = next(i for i, node in enumerate(graph.node) if LAST in node.output)
    nodes = list(graph.node[: stop + 1])
    cell = RESOLUTION // 6

    def add(kind, inputs, output, **attributes):
        nodes.append(helper.make_node(kind, inputs, [output], name=output, **attributes))

    add("AveragePool", [LAST], "grid_map", kernel_shape=[2, 2], strides=[2, 2])
    add("Reshape", ["grid_map", "grid_shape"], "grid_flat")
    add("Transpose", ["grid_flat"], "grid", perm=[0, 2, 1])
    add("GlobalMaxPool", [LAST], "maximum_map")
    add("Flatten", ["maximum_map"], "maximum")
    add("AveragePool", ["pixel_values"], "pixel_map", kernel_shape=[cell, cell], strides=[cell, cell])
    parts = []
    for source, kind in (
        (FIRST, "GlobalAveragePool"),
        (EARLY, "GlobalAveragePool"),
        (EARLY, "GlobalMaxPool"),
        (MIDDLE, "GlobalAveragePool"),
        (MIDDLE, "GlobalMaxPool"),
    ):
        name = f"{source}_{kind}"
        add(kind, [source], name + "_map")
        add("Flatten", [name + "_map"], name)
        parts.append(name)
    add("Flatten", ["pixel_map"], "pixels")
    add("Concat", parts + ["pixels"], "detail", axis=1)

    used = {name for node in nodes for name in node.input}
    weights = [w for w in graph.initializer if w.name in used]
    weights.append(numpy_helper.from_array(np.array([0, 1280, 9], np.int64), "grid_shape"))
    size = RESOLUTION
    inputs = [helper.make_tensor_value_info("pixel_values", TensorProto.FLOAT, ["batch", 3, size, size])]
    outputs = [
        helper.make_tensor_value_info("grid", TensorProto.FLOAT, ["batch", 9, 1280]),
        helper.make_tensor_value_info("maximum", TensorProto.FLOAT, ["batch", 1280]),
        helper.make_tensor_value_info("detail", TensorProto.FLOAT, ["batch", DETAIL]),
    ]
    cut = helper.make_graph(nodes, "mobilenet_v2_pooled", inputs, outputs, weights)
    result = helper.make_model(cut, opset_imports=[helper.make_opsetid("", 17)])
    result.ir_version = 8
    onnx.checker.check_model(result)
    return result


def classifier(folder: Path) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Weights [1001,1280], bias [1001] and names of the ImageNet classifier."""
    model = onnx.load(Path(folder) / "model.onnx")
    tensors = {w.name: numpy_helper.to_array(w) for w in model.graph.initializer}
    names = (Path(folder) / "labels.txt").read_text().splitlines()
    return tensors["w65"].reshape(1001, 1280), tensors["b65"], names


class Trunk:
    """Runs the pooled trunk on a list of RGB pictures of RESOLUTION x RESOLUTION."""

    def __init__(self, folder: Path):
        options = ort.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        model = pooled_graph(onnx.load(Path(folder) / "model.onnx"))
        self.session = ort.InferenceSession(model.SerializeToString(), options)

    def __call__(self, pictures: np.ndarray) -> np.ndarray:
        """uint8 [n,R,R,3] -> float16 [n,WIDTH]."""
        pixels = pictures.astype(np.float32).transpose(0, 3, 1, 2) / 127.5 - 1.0
        grid, maximum, detail = self.session.run(None, {"pixel_values": np.ascontiguousarray(pixels)})
        rows = [grid.reshape(len(pictures), -1), maximum, detail]
        return np.concatenate(rows, axis=1).astype(np.float16)
