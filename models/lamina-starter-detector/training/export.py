"""Writes model.onnx and labels.txt of the detector.

    python export.py --trunk DIR --run DIR --out DIR

The graph takes what YOLOX takes (BGR, 0..255) and gives what YOLOX gives (raw boxes, scores after the sigmoid).
"""

import argparse
import io
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import nn

import generate
import mobilenet
import pictures
from features import TAPS
from model import TAKEN, Detector
from onnx_files import shrink


class Scored(nn.Module):
    """The head with the sigmoid of its scores; the clip of sizes keeps their exponent finite."""

    def __init__(self, head: Detector):
        super().__init__()
        self.head = head

    def forward(self, p3, p4, p5):
        raw = self.head(p3, p4, p5)
        return torch.cat([raw[..., :2], raw[..., 2:4].clamp(max=5.0), raw[..., 4:].sigmoid()], -1)


def head_graph(head: Detector) -> onnx.ModelProto:
    """The head alone, its inputs named as the trunk's tensors."""
    file = io.BytesIO()
    maps = tuple(torch.randn(1, c, pictures.SIDE // s, pictures.SIDE // s) for c, s in zip(TAKEN, (8, 16, 32)))
    torch.onnx.export(
        Scored(head).eval(),
        maps,
        file,
        input_names=list(TAPS),
        output_names=["output"],
        dynamic_axes={name: {0: "batch"} for name in (*TAPS, "output")},
        opset_version=17,
        dynamo=False,
    )
    return onnx.load_from_string(file.getvalue())


def graph(folder: Path, head: Detector) -> onnx.ModelProto:
    nodes, weights = mobilenet.part(mobilenet.load(folder), TAPS)
    node = helper.make_node
    before = [
        node("Gather", ["images", "rgb_order"], ["rgb"], axis=1),
        node("Mul", ["rgb", "unit"], ["scaled"]),
        node("Sub", ["scaled", "one"], ["pixel_values"]),
    ]
    weights += [
        numpy_helper.from_array(np.array([2, 1, 0], np.int64), "rgb_order"),
        numpy_helper.from_array(np.array(1 / 127.5, np.float32), "unit"),
        numpy_helper.from_array(np.array(1.0, np.float32), "one"),
    ]
    after = head_graph(head).graph
    inputs = [("images", TensorProto.FLOAT, ["batch", 3, pictures.SIDE, pictures.SIDE])]
    cells = sum((pictures.SIDE // s) ** 2 for s in (8, 16, 32))
    outputs = [("output", TensorProto.FLOAT, ["batch", cells, 5 + head.heads[0].classes.out_channels])]
    return mobilenet.build("lamina_starter_detector", before + nodes + list(after.node), weights + list(after.initializer), inputs, outputs)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("trunk", "run", "out"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    options = parser.parse_args()
    torch.set_num_threads(1)
    saved = torch.load(options.run / "weights.pt")
    head = Detector(len(saved["names"]))
    head.load_state_dict(saved["weights"])
    head.eval()
    exact = graph(options.trunk, head)
    small = shrink(exact)
    onnx.save(small, options.out / "model.onnx")
    (options.out / "labels.txt").write_text("\n".join(saved["names"]) + "\n")

    stack = np.stack([np.asarray(pictures.letterbox(generate.scene(i).picture)[0]) for i in range(6)])
    pixels = {"images": np.ascontiguousarray(stack[..., ::-1].transpose(0, 3, 1, 2)).astype(np.float32)}
    maps = mobilenet.tapped(options.trunk, TAPS, pictures.SIDE).run(None, {"pixel_values": mobilenet.normalised(stack)})
    with torch.no_grad():
        reference = Scored(head)(*map(torch.from_numpy, maps)).numpy()
    for name, each in (("float32", exact), ("written", small)):
        found = mobilenet.session(each).run(None, pixels)[0]
        print(name, "largest difference, boxes", np.abs(found - reference)[..., :4].max(), "scores", np.abs(found - reference)[..., 4:].max())
    print("bytes", (options.out / "model.onnx").stat().st_size)


if __name__ == "__main__":
    main()
