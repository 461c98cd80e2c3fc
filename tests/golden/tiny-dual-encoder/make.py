"""Writes the tiny dual encoder of this folder, its reference outputs, and the probe graph of lamina-inference.

The weights are random: the model knows nothing. It exists so that tests can check loading, batching, tokenising and the
device probe against the real ONNX Runtime with files of a few kilobytes. Run with onnx, onnxruntime and tokenizers installed:

    python make.py

Everything is seeded, so that a second run writes the same bytes.
"""

import hashlib
import json
import pathlib

import numpy as np
import onnx
import onnxruntime
import tokenizers
from onnx import TensorProto, external_data_helper, helper, numpy_helper

HERE = pathlib.Path(__file__).resolve().parent
PROBE = HERE.parents[2] / "crates" / "lamina-inference" / "src" / "probe.onnx"
SIZE = 16
DIMENSION = 8
WIDTH = 12
MAX_LENGTH = 10
OPSET = 17
IR_VERSION = 8

random = np.random.default_rng(20261120)


def weight(name, *shape):
    scale = 1.0 / np.sqrt(np.prod(shape[1:]) if len(shape) > 1 else 4.0)
    return numpy_helper.from_array(random.normal(0.0, scale, shape).astype(np.float32), name)


def constant(name, value, dtype):
    return numpy_helper.from_array(np.asarray(value, dtype=dtype), name)


def save(graph, path, weights=None):
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], producer_name="lamina-make")
    model.ir_version = IR_VERSION
    onnx.checker.check_model(model, full_check=True)
    if weights:
        # Kept outside the graph, in a file beside it.
        data = b""
        for tensor in model.graph.initializer:
            point_outside(tensor, weights, len(data))
            data += tensor.raw_data
            tensor.ClearField("raw_data")
        (path.parent / weights).write_bytes(data)
    path.write_bytes(model.SerializeToString(deterministic=True))


def point_outside(tensor, file, offset):
    external_data_helper.set_external_data(tensor, location=file, offset=offset, length=len(tensor.raw_data))


def vision():
    """Two strided convolutions, a mean over the plane, a projection."""
    return helper.make_graph(
        [
            helper.make_node("Conv", ["pixel_values", "w1", "b1"], ["c1"], kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1]),
            helper.make_node("Relu", ["c1"], ["r1"]),
            helper.make_node("Conv", ["r1", "w2", "b2"], ["c2"], kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1]),
            helper.make_node("Tanh", ["c2"], ["r2"]),
            helper.make_node("GlobalAveragePool", ["r2"], ["pooled"]),
            helper.make_node("Flatten", ["pooled"], ["flat"], axis=1),
            helper.make_node("Gemm", ["flat", "projection", "bias"], ["image_embeds"]),
        ],
        "vision",
        [helper.make_tensor_value_info("pixel_values", TensorProto.FLOAT, ["batch", 3, SIZE, SIZE])],
        [helper.make_tensor_value_info("image_embeds", TensorProto.FLOAT, ["batch", DIMENSION])],
        [
            weight("w1", 8, 3, 3, 3),
            weight("b1", 8),
            weight("w2", WIDTH, 8, 3, 3),
            weight("b2", WIDTH),
            weight("projection", WIDTH, DIMENSION),
            weight("bias", DIMENSION),
        ],
    )


def text(words):
    """Word and place vectors, a mean over the real tokens (by the mask), a projection. A batch must therefore equal a single text."""
    return helper.make_graph(
        [
            helper.make_node("Gather", ["words", "input_ids"], ["looked_up"]),
            helper.make_node("Shape", ["input_ids"], ["length"], start=1, end=2),
            helper.make_node("Slice", ["places", "zero", "length", "zero"], ["here"]),
            helper.make_node("Add", ["looked_up", "here"], ["placed"]),
            helper.make_node("Tanh", ["placed"], ["bent"]),
            helper.make_node("Cast", ["attention_mask"], ["mask"], to=TensorProto.FLOAT),
            helper.make_node("Unsqueeze", ["mask", "last"], ["wide_mask"]),
            helper.make_node("Mul", ["bent", "wide_mask"], ["kept"]),
            helper.make_node("ReduceSum", ["kept", "one"], ["sum"], keepdims=0),
            helper.make_node("ReduceSum", ["mask", "one"], ["count"], keepdims=1),
            helper.make_node("Div", ["sum", "count"], ["mean"]),
            helper.make_node("Gemm", ["mean", "projection", "bias"], ["text_embeds"]),
        ],
        "text",
        [
            helper.make_tensor_value_info("input_ids", TensorProto.INT64, ["batch", "length"]),
            helper.make_tensor_value_info("attention_mask", TensorProto.INT64, ["batch", "length"]),
        ],
        [helper.make_tensor_value_info("text_embeds", TensorProto.FLOAT, ["batch", DIMENSION])],
        [
            weight("words", words, WIDTH),
            weight("places", MAX_LENGTH, WIDTH),
            weight("projection", WIDTH, DIMENSION),
            weight("bias", DIMENSION),
            constant("zero", [0], np.int64),
            constant("one", [1], np.int64),
            constant("last", [2], np.int64),
        ],
    )


def probe():
    """One 3x3 convolution of ones: all-ones 4x4 in, 2x2 of nines out. A convolution, because that is what needs the most of a device."""
    return helper.make_graph(
        [helper.make_node("Conv", ["x", "w"], ["y"], kernel_shape=[3, 3])],
        "probe",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 1, 4, 4])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 1, 2, 2])],
        [numpy_helper.from_array(np.ones((1, 1, 3, 3), np.float32), "w")],
    )


def tokenizer():
    vocabulary = ["<pad>", "<unk>", "<start>", "<end>"]
    vocabulary += "a the red green blue yellow dog cat bird car boat house on under beside small large with photo of".split()
    words = tokenizers.Tokenizer(
        tokenizers.models.WordLevel({word: number for number, word in enumerate(vocabulary)}, unk_token="<unk>")
    )
    words.normalizer = tokenizers.normalizers.Lowercase()
    words.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    words.post_processor = tokenizers.processors.TemplateProcessing(
        single="<start> $A <end>", special_tokens=[("<start>", 2), ("<end>", 3)]
    )
    return words, len(vocabulary)


def picture(number):
    """The pictures of the reference, by a formula that the Rust test repeats."""
    places = np.arange(3 * SIZE * SIZE, dtype=np.float64)
    return np.sin(places * 0.37 * (number + 1) + number).astype(np.float32)


def main():
    words, count = tokenizer()
    words.save(str(HERE / "tokenizer.json"))
    see_graph = vision()
    save(see_graph, HERE / "vision_model.onnx")
    (HERE / "external").mkdir(exist_ok=True)
    save(see_graph, HERE / "external" / "vision_model.onnx", weights="vision_weights.bin")
    save(text(count), HERE / "text_model.onnx")
    save(probe(), PROBE)

    files = []
    for name, role in [("vision_model.onnx", "vision"), ("text_model.onnx", "text"), ("tokenizer.json", "tokenizer")]:
        data = (HERE / name).read_bytes()
        files.append(f'[[files]]\npath = "{name}"\nrole = "{role}"\nsha256 = "{hashlib.sha256(data).hexdigest()}"\nbytes = {len(data)}\n')
    (HERE / "model.toml").write_text(
        f'''name = "tiny-dual-encoder"
version = "1"
task = "image-text-embedding"
family = "dual-encoder"
licence = "Apache-2.0"
description = "Random weights for tests; it knows nothing."
source = "make.py in this folder"
dimension = {DIMENSION}

{chr(10).join(files)}
[image]
size = {SIZE}
resize = "stretch"
filter = "bilinear"
mean = [0.5, 0.5, 0.5]
std = [0.5, 0.5, 0.5]

[text]
max_length = {MAX_LENGTH}
pad_id = 0
pad_to_max = false
attention_mask = true
prefix = ""

[index]
cluster_distances = [0.05, 0.1, 0.2, 0.3, 0.4]
anchor_distance = 0.3
outlier_distance = 0.6
duplicate_similarity = 0.97

[calibration]
raw = [0.5, 0.8, 1.2]
shown = [0.2, 0.5, 1.0]

[batch]
max_batch = 4
'''
    )

    words.enable_truncation(MAX_LENGTH)
    sentences = [
        "a photo of a red dog",
        "The blue boat under a large house",
        "bird",
        "a small yellow car beside the green house with a cat on the large boat",
        "an unknown xylophone",
        "",
    ]
    see = onnxruntime.InferenceSession(str(HERE / "vision_model.onnx"), providers=["CPUExecutionProvider"])
    read = onnxruntime.InferenceSession(str(HERE / "text_model.onnx"), providers=["CPUExecutionProvider"])
    images = [
        see.run(["image_embeds"], {"pixel_values": picture(number).reshape(1, 3, SIZE, SIZE)})[0][0].tolist() for number in range(7)
    ]
    texts = []
    for sentence in sentences:
        ids = words.encode(sentence).ids
        out = read.run(["text_embeds"], {"input_ids": np.array([ids]), "attention_mask": np.ones((1, len(ids)), np.int64)})[0][0]
        texts.append({"text": sentence, "ids": ids, "embedding": out.tolist()})
    (HERE / "expected.json").write_text(json.dumps({"images": images, "texts": texts}, indent=1) + "\n")


if __name__ == "__main__":
    main()
