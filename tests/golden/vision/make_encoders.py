"""Writes a tiny DINOv2 package with random weights, laid out as the hub's exports are, and what PyTorch makes of it.

    python make_encoders.py

needs torch, transformers (5.23), onnx and onnxruntime. The graph comes from `torch.onnx.export`, expected vectors from PyTorch and not from
the graph. Seeded: a second run writes the same weights. CLIP and SigLIP: `dual_encoders.py` in the folder above.
"""

import warnings

import numpy as np
import onnxruntime
import torch
from packages import GOLDEN, package, picture, rounded, slim
from torch import nn
from transformers import Dinov2Config, Dinov2Model

warnings.filterwarnings("ignore")


def widen(model, seed):
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for value in model.parameters():
            if value.dim() > 1:
                value.add_(torch.randn(value.shape, generator=generator) * value.shape[-1] ** -0.5)
    return model.eval()


def export(model, path, inputs, outputs, sample, axes):
    path.parent.mkdir(exist_ok=True)
    torch.onnx.export(model, sample, str(path), input_names=inputs, output_names=outputs, dynamic_axes=axes, opset_version=17, dynamo=False)
    slim(path)
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    found = session.run([outputs[-1]], dict(zip(inputs, [value.numpy() for value in sample])))[0]
    with torch.no_grad():
        wanted = model(*sample)
    wanted = wanted[-1] if isinstance(wanted, tuple) else wanted
    print(path.parent.name, path.name, path.stat().st_size, float(np.abs(found - wanted.numpy()).max()))


class Call(nn.Module):
    """A function over a model as a module, for the exporter."""

    def __init__(self, model, function):
        super().__init__()
        self.model, self.function = model, function

    def forward(self, value):
        return self.function(self.model, value)


def unit(vector):
    vector = vector.detach().numpy().reshape(-1)
    return rounded(vector / np.linalg.norm(vector))


BANDS = """[index]
cluster_distances = [0.05, 0.1, 0.2, 0.3, 0.4]
anchor_distance = 0.3
outlier_distance = 0.6
duplicate_similarity = 0.97

[batch]
max_batch = 4
"""


def dinov2():
    config = Dinov2Config(hidden_size=32, num_hidden_layers=2, num_attention_heads=2, mlp_ratio=2, image_size=28, patch_size=7)
    torch.manual_seed(7)
    model = widen(Dinov2Model(config), 17)
    # Pictures have the size that the places are made for.
    model.embeddings.interpolate_pos_encoding = lambda *_: model.embeddings.position_embeddings
    pixels = torch.tensor(np.stack([picture(number, 28) for number in range(3)]))
    path = GOLDEN / "tiny-dinov2" / "model.onnx"
    tokens = Call(model, lambda model, value: model(pixel_values=value).last_hidden_state)
    axes = {"pixel_values": {0: "batch"}, "last_hidden_state": {0: "batch"}}
    export(tokens, path, ["pixel_values"], ["last_hidden_state"], (pixels,), axes)
    with torch.no_grad():
        expected = {"images": [unit(model(pixel_values=row[None]).pooler_output) for row in pixels]}
    image = 'shortest_edge = 32\nresize = "shortest-edge-crop"\nfilter = "bicubic"\nmean = [0.485, 0.456, 0.406]\nstd = [0.229, 0.224, 0.225]'
    sections = f"dimension = 32\n\n[image]\nsize = 28\n{image}\n\n{BANDS}"
    package("tiny-dinov2", "image-encoder", "image-embedding", sections, [("model.onnx", "vision")], expected)


if __name__ == "__main__":
    dinov2()
