"""Writes decoders that are wrong in one way each, for the encoder and tokenizer of ../tiny-bart-captioner. Needs onnx and numpy:

    python make.py

`good.onnx` is the same graph without the fault: it always says the token 7.
"""

import pathlib

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

HERE = pathlib.Path(__file__).resolve().parent
VOCABULARY = 160
FLOAT, INT = TensorProto.FLOAT, TensorProto.INT64


def decoder(name, says=5.0, past_heads=2, present_heads=2, with_present=True, grows=True, rank=3, vocabulary=VOCABULARY, past_kind=FLOAT, extra=None):
    row = np.zeros(vocabulary, np.float32)
    row[7] = says
    weights = [
        numpy_helper.from_array(row.reshape([1] * (rank - 1) + [-1]), "row"),
        numpy_helper.from_array(np.zeros((1, present_heads, 1, 4), np.float32), "new"),
        numpy_helper.from_array(np.array([0], np.int64), "zero"),
        numpy_helper.from_array(np.array([1], np.int64), "one"),
        numpy_helper.from_array(np.array([1, vocabulary], np.int64), "tail"),
        numpy_helper.from_array(np.array([present_heads, 1, 4], np.int64), "inner"),
    ]
    nodes = [
        helper.make_node("Shape", ["input_ids"], ["ids_shape"]),
        helper.make_node("Gather", ["ids_shape", "zero"], ["batch"]),
        helper.make_node("Gather", ["ids_shape", "one"], ["length"]),
    ]
    if rank == 3:
        nodes += [
            helper.make_node("Concat", ["batch", "length", "one"], ["shape"], axis=0),
        ]
        logits = [None, None, vocabulary]
    else:
        nodes += [helper.make_node("Concat", ["batch", "one"], ["shape"], axis=0)]
        logits = [None, vocabulary]
    nodes += [
        helper.make_node("Expand", ["row", "shape"], ["logits"]),
        helper.make_node("Concat", ["batch", "inner"], ["one_new"], axis=0),
        helper.make_node("Expand", ["new", "one_new"], ["added"]),
    ]
    if past_kind == FLOAT and past_heads == present_heads and grows:
        nodes += [
            helper.make_node("Concat", ["batch", "inner"], ["repeat"], axis=0),
            # One place for every token that is read.
            helper.make_node("Expand", ["added", "grown"], ["wide"]),
            helper.make_node("Concat", ["past_key_values.0.key", "wide"], ["present.0.key"], axis=2),
        ]
        weights += [numpy_helper.from_array(np.array([present_heads], np.int64), "heads"), numpy_helper.from_array(np.array([4], np.int64), "width")]
        nodes.insert(-2, helper.make_node("Concat", ["batch", "heads", "length", "width"], ["grown"], axis=0))
    else:
        nodes += [helper.make_node("Identity", ["added"], ["present.0.key"])]
    inputs = [
        helper.make_tensor_value_info("input_ids", INT, ["batch_size", "length"]),
        helper.make_tensor_value_info("encoder_hidden_states", FLOAT, ["batch_size", 17, 32]),
        helper.make_tensor_value_info("past_key_values.0.key", past_kind, ["batch_size", past_heads, "past", 4]),
    ]
    if extra:
        inputs.append(helper.make_tensor_value_info(extra, FLOAT, ["batch_size"]))
    outputs = [helper.make_tensor_value_info("logits", FLOAT, logits)]
    if with_present:
        outputs.append(helper.make_tensor_value_info("present.0.key", FLOAT, ["batch_size", present_heads, "total", 4]))
    graph = helper.make_graph(nodes, "decoder", inputs, outputs, weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], producer_name="lamina-make")
    model.ir_version = 8
    onnx.checker.check_model(model)
    (HERE / f"{name}.onnx").write_bytes(model.SerializeToString(deterministic=True))


decoder("good")
decoder("no-numbers", says=float("nan"))
decoder("no-present", with_present=False)
decoder("other-heads", past_heads=3)
decoder("unknown-heads", past_heads="heads")
decoder("cache-does-not-grow", grows=False)
decoder("flat-scores", rank=2)
decoder("whole-number-caches", past_kind=INT)
decoder("unknown-input", extra="position_bias")
