"""Writes model.onnx, labels.txt and thresholds.txt of the tagger.

    python export.py --trunk DIR --run DIR --out DIR

Standardisation is folded into the weights; the written file is compared with PyTorch.
"""

import argparse
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper

import generate
import grid
import mobilenet
import views
from model import LIMIT, Tagger, group_odds, pooled
from onnx_files import shrink


def graph(folder: Path, weights: dict, member: np.ndarray, trained: int, unlike: list[int]) -> onnx.ModelProto:
    """Pixels to logits. One row for each tag; the class weights are the published int8 ones."""
    nodes, tensors = grid.nodes(mobilenet.load(folder))
    w65, b65, _ = mobilenet.classifier(folder)
    weight = {k: v.double().numpy() for k, v in weights.items()}
    reduce = weight["reduce.weight"] * weight["scale"]
    bias = weight["reduce.bias"] - reduce @ weight["mean"]
    average, maximum, early = np.split(reduce, [grid.LAST, 2 * grid.LAST], axis=1)
    arrays = {
        "class_weight": w65,
        "class_bias": b65,
        "member": member,
        "average_weight": np.concatenate([average, early], 1).T,
        "maximum_weight": maximum.T,
        "reduce_bias": bias,
        "given_weight": weight["given.weight"].T,
        "given_bias": weight["given.bias"],
        "direct": weight["direct"],
        "least": np.array(1e-6),
        "most": np.array(1 - 1e-6),
        "one": np.array(1.0),
        "two": np.array(2.0),
        "limit_low": np.array(-LIMIT),
        "limit_high": np.array(LIMIT),
    }
    tensors += [numpy_helper.from_array(np.ascontiguousarray(v, np.float32), k) for k, v in arrays.items()]
    whole = {
        "sizes_cell": [grid.LAST, grid.EARLY],
        "sizes_tags": [trained, member.shape[1] - trained],
        "unlike": unlike,
        "cell_axis": [1],
    }
    tensors += [numpy_helper.from_array(np.array(v, np.int64), k) for k, v in whole.items()]
    node = helper.make_node
    nodes += [
        node("ReduceMean", ["grid"], ["average_all"], axes=[1], keepdims=0),
        node("Split", ["grid", "sizes_cell"], ["grid_last", "grid_early"], axis=2),
        node("ReduceMax", ["grid_last"], ["maximum"], axes=[1], keepdims=0),
        node("MatMul", ["average_all", "average_weight"], ["from_average"]),
        node("Gemm", ["maximum", "maximum_weight", "reduce_bias"], ["from_maximum"]),
        node("Add", ["from_average", "from_maximum"], ["hidden_raw"]),
        node("Relu", ["hidden_raw"], ["hidden"]),
        node("Gemm", ["hidden", "given_weight", "given_bias"], ["given"]),
        node("Split", ["average_all", "sizes_cell"], ["average_last", "average_early"], axis=1),
        node("Gemm", ["average_last", "class_weight", "class_bias"], ["class_logits"], transB=1),
        node("Softmax", ["class_logits"], ["class_chance"], axis=1),
        node("MatMul", ["class_chance", "member"], ["share_raw"]),
        node("Clip", ["share_raw", "least", "most"], ["share"]),
        node("Sub", ["one", "share"], ["rest"]),
        node("Div", ["share", "rest"], ["ratio"]),
        node("Log", ["ratio"], ["odds_raw"]),
        node("Clip", ["odds_raw", "limit_low", "limit_high"], ["odds"]),
        node("Split", ["odds", "sizes_tags"], ["odds_trained", "odds_other"], axis=1),
        node("Mul", ["odds_trained", "direct"], ["odds_scaled"]),
        node("Add", ["given", "odds_scaled"], ["own"]),
        node("Gather", ["own", "unlike"], ["unlike_own"], axis=1),
        node("Add", ["unlike_own", "two"], ["unlike_raised"]),
        node("Relu", ["unlike_raised"], ["unlike_relu"]),
        node("ReduceSum", ["unlike_relu", "cell_axis"], ["out_of_place"], keepdims=1),
        node("Sub", ["odds_other", "out_of_place"], ["other"]),
        node("Concat", ["own", "other"], ["logits"], axis=1),
    ]
    inputs = [("pixel_values", TensorProto.FLOAT, ["batch", 3, grid.SIDE, grid.SIDE])]
    outputs = [("logits", TensorProto.FLOAT, ["batch", member.shape[1]])]
    return mobilenet.build("lamina_starter_tagger", nodes, tensors, inputs, outputs)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("trunk", "run", "out"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    options = parser.parse_args()
    saved = torch.load(options.run / "weights.pt", weights_only=False)
    tags, trained = saved["tags"], saved["trained"]
    unlike = [tags.index("drawing"), tags.index("satellite photo")]
    exact = graph(options.trunk, saved["weights"], saved["member"], trained, unlike)
    small = shrink(exact)
    onnx.save(small, options.out / "model.onnx")
    (options.out / "labels.txt").write_text("\n".join(tags) + "\n")
    (options.out / "thresholds.txt").write_text("".join(f"{t:.4f}\n" for t in saved["thresholds"]))

    pictures = np.stack([views.fit(generate.scene(i).picture, grid.SIDE) for i in range(12)])
    pixels = {"pixel_values": mobilenet.normalised(pictures)}
    model = Tagger(saved["weights"]["mean"], saved["weights"]["scale"], len(tags), trained, unlike)
    model.load_state_dict(saved["weights"])
    rows = pooled(grid.session(options.trunk).run(None, pixels)[0])
    weight, bias, _ = mobilenet.classifier(options.trunk)
    with torch.no_grad():
        odds = group_odds(rows[:, : grid.LAST], weight, bias, saved["member"])
        reference = model.eval()(torch.from_numpy(rows), torch.from_numpy(odds)).sigmoid().numpy()
    for name, each in (("float32", exact), ("written", small)):
        found = 1 / (1 + np.exp(-mobilenet.session(each).run(None, pixels)[0]))
        print(name, "largest difference of a score", np.abs(found - reference).max())
    print("bytes", (options.out / "model.onnx").stat().st_size)


if __name__ == "__main__":
    main()
