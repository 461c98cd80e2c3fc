"""Small files of float graphs: weights as float16 or int8 on disk, float32 in the session.

ONNX Runtime folds Cast and Mul of constants when it loads a file, so that it runs in float32.
"""

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper


def as_int8(values: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
    """(int8, scale a channel) when the weights are exactly that, as the trunk's are; else None."""
    flat = values.reshape(len(values), -1).astype(np.float64)
    scale = np.abs(flat).max(1, keepdims=True) / 127
    whole = np.rint(flat / np.where(scale > 0, scale, 1))
    if np.abs(whole * scale - flat).max() > 1e-6 * np.abs(flat).max():
        return None
    shape = (len(values),) + (1,) * (values.ndim - 1)
    return whole.astype(np.int8).reshape(values.shape), scale.astype(np.float32).reshape(shape)


def shrink(model: onnx.ModelProto) -> onnx.ModelProto:
    """Store large float32 initializers as float16 with a Cast back; those that came from int8 as that int8."""
    result = onnx.ModelProto()
    result.CopyFrom(model)
    made, kept = [], []
    node = helper.make_node
    for weight in result.graph.initializer:
        values, name = numpy_helper.to_array(weight), weight.name
        if values.dtype != np.float32 or values.size < 2048 or values.ndim == 1:
            kept.append(weight)
        elif values.ndim in (2, 4) and (parts := as_int8(values)):
            kept += [numpy_helper.from_array(parts[0], name + "_i8"), numpy_helper.from_array(parts[1], name + "_scale")]
            made.append(node("Cast", [name + "_i8"], [name + "_whole"], to=TensorProto.FLOAT))
            made.append(node("Mul", [name + "_whole", name + "_scale"], [name]))
        else:
            kept.append(numpy_helper.from_array(values.astype(np.float16), name + "_f16"))
            made.append(node("Cast", [name + "_f16"], [name], to=TensorProto.FLOAT))
    nodes = made + list(result.graph.node)
    del result.graph.initializer[:], result.graph.node[:], result.graph.value_info[:]
    result.graph.initializer.extend(kept)
    result.graph.node.extend(nodes)
    for each in result.graph.node:
        each.doc_string = ""
    onnx.checker.check_model(result)
    return result
