"""Writes vision_model.onnx and text_model.onnx: small weights on disk, float32 in the session.

    python export.py --trunk DIR --run DIR --out DIR

Trained weights are stored as float16; the trunk's convolutions as the int8 values and scales that they come from, which
loses nothing. ONNX Runtime turns both into float32 when it loads the file.
The written files are compared with their float32 originals.
"""

import argparse
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import torch
from onnx import TensorProto, helper, numpy_helper

import generate
import trunk
import views
from onnx_files import shrink
from model import DIMENSION, GRID_WIDTH, ImageHead, TextTower


def head_nodes(head: ImageHead):
    """The head as ONNX nodes. Standardisation and the factor of the average are folded into the weights."""
    mean, scale = head.mean.double().numpy(), head.scale.double().numpy()
    g, m = trunk.GRID, trunk.GRID + trunk.MAXIMUM
    weight = {k: v.double().numpy() for k, v in head.state_dict().items()}
    grid_mean, grid_scale = mean[:1280], scale[:1280]
    if not (np.allclose(mean[:g], np.tile(grid_mean, 9)) and np.allclose(scale[:g], np.tile(grid_scale, 9))):
        raise ValueError("the statistics of the nine cells differ")
    place = weight["place.weight"] * grid_scale  # [GRID_WIDTH, 1280]
    place_bias = weight["place.bias"] - place @ grid_mean
    reduce, bias = weight["reduce.weight"].copy(), weight["reduce.bias"].copy()
    stops = np.cumsum([1280, 1280, 9 * GRID_WIDTH, trunk.DETAIL])
    average, maximum, places, detail = (reduce[:, a:b] for a, b in zip([0, *stops[:-1]], stops))
    average = average * 2.0 * grid_scale
    maximum = maximum * scale[g:m]
    detail = detail * scale[m:]
    bias -= average @ grid_mean + maximum @ mean[g:m] + detail @ mean[m:]
    joined = np.concatenate([average, maximum, places, detail], 1).T

    tensors = {
        "place_weight": place.T,
        "place_bias": place_bias,
        "reduce_weight": joined,
        "reduce_bias": bias,
        "norm_weight": weight["norm.weight"],
        "norm_bias": weight["norm.bias"],
        "expand_weight": weight["expand.weight"].T,
        "expand_bias": weight["expand.bias"],
        "contract_weight": weight["contract.weight"].T,
        "contract_bias": weight["contract.bias"] - weight["centre"],
    }
    node = helper.make_node
    nodes = [
        node("ReduceMean", ["grid"], ["average"], axes=[1], keepdims=0),
        node("MatMul", ["grid", "place_weight"], ["place_raw"]),
        node("Add", ["place_raw", "place_bias"], ["place_sum"]),
        node("Flatten", ["place_sum"], ["places"]),
        node("Concat", ["average", "maximum", "places", "detail"], ["inner"], axis=1),
        node("Gemm", ["inner", "reduce_weight", "reduce_bias"], ["base"]),
        node("LayerNormalization", ["base", "norm_weight", "norm_bias"], ["normed"], axis=-1, epsilon=1e-5),
        node("Gemm", ["normed", "expand_weight", "expand_bias"], ["wide"]),
        node("Relu", ["wide"], ["wide_relu"]),
        node("Gemm", ["wide_relu", "contract_weight", "contract_bias"], ["narrow"]),
        node("Add", ["base", "narrow"], ["image_embeds"]),
    ]
    return nodes, [numpy_helper.from_array(v.astype(np.float32), k) for k, v in tensors.items()]


def vision_graph(model: onnx.ModelProto, head: ImageHead) -> onnx.ModelProto:
    pooled = trunk.pooled_graph(model)
    nodes, weights = head_nodes(head)
    output = helper.make_tensor_value_info("image_embeds", TensorProto.FLOAT, ["batch", DIMENSION])
    graph = helper.make_graph(
        list(pooled.graph.node) + nodes,
        "lamina_starter_encoder_vision",
        list(pooled.graph.input),
        [output],
        list(pooled.graph.initializer) + weights,
    )
    result = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], producer_name="lamina")
    result.ir_version = 8
    onnx.checker.check_model(result)
    return result


def text_graph(tower: TextTower, path: Path) -> onnx.ModelProto:
    ids = torch.ones(2, 7, dtype=torch.int64)
    torch.onnx.export(
        tower,
        (ids, ids),
        str(path),
        input_names=["input_ids", "attention_mask"],
        output_names=["text_embeds"],
        dynamic_axes={k: {0: "batch", 1: "sequence"} for k in ("input_ids", "attention_mask")} | {"text_embeds": {0: "batch"}},
        opset_version=17,
        dynamo=False,
    )
    return onnx.load(path)


def run(model: onnx.ModelProto, inputs: dict) -> np.ndarray:
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    return ort.InferenceSession(model.SerializeToString(), options).run(None, inputs)[0]


def worst_cosine(a: np.ndarray, b: np.ndarray) -> float:
    return float(((a * b).sum(1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)).min())


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trunk", type=Path, required=True)
    parser.add_argument("--run", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    torch.set_num_threads(1)
    weights = torch.load(options.run / "weights.pt")
    head = ImageHead(weights["head"]["mean"], weights["head"]["scale"])
    head.load_state_dict(weights["head"])
    tower = TextTower(weights["tower"]["tokens.weight"].shape[0])
    tower.load_state_dict(weights["tower"])
    head.eval(), tower.eval()

    source = onnx.load(options.trunk / "model.onnx")
    vision = vision_graph(source, head)
    small = shrink(vision)
    onnx.save(small, options.out / "vision_model.onnx")
    pictures = np.stack([views.fit(generate.scene(i).picture, trunk.RESOLUTION) for i in range(24)])
    pixels = (pictures.astype(np.float32) / 127.5 - 1).transpose(0, 3, 1, 2)
    pixels = {"pixel_values": np.ascontiguousarray(pixels)}
    exact = run(vision, pixels)
    with torch.no_grad():
        reference = head(torch.from_numpy(trunk.Trunk(options.trunk)(pictures).astype(np.float32))).numpy()
    print("vision: folded against torch", worst_cosine(exact, reference), "float16", worst_cosine(exact, run(small, pixels)))

    text = text_graph(tower, options.out / "text_model.onnx")
    small = shrink(text)
    onnx.save(small, options.out / "text_model.onnx")
    ids = torch.randint(3, 2000, (16, 11))
    mask = (torch.arange(11)[None] < torch.randint(3, 12, (16, 1))).long()
    feed = {"input_ids": ids.numpy(), "attention_mask": mask.numpy()}
    with torch.no_grad():
        reference = tower(ids, mask).numpy()
    exact = run(text, feed)
    print("text: exported against torch", worst_cosine(exact, reference), "float16", worst_cosine(exact, run(small, feed)))
    (options.out / "tokenizer.json").write_bytes((options.run / "tokenizer.json").read_bytes())
    for name in ("vision_model.onnx", "text_model.onnx", "tokenizer.json"):
        print(name, (options.out / name).stat().st_size)


if __name__ == "__main__":
    main()
