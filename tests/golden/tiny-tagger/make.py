"""Writes the tiny tagger of this folder and its reference scores: random weights, which know nothing.

It has the form of RAM++: a Swin backbone, one query for each tag that attends to the picture's tokens, one logit for each tag, a batch of
one, and thresholds in a file of their own. Run with torch, transformers and onnx installed:

    python make.py
"""

import hashlib
import json
import pathlib

import torch
from transformers import SwinConfig, SwinModel

HERE = pathlib.Path(__file__).resolve().parent
SIZE = 32
TAGS = ["dog", "cat", "", "street", "night sky", "boat", "tree"]
THRESHOLDS = [0.5, 0.4, 0.1, 0.55, 0.3, 0.6, 0.5]
PICTURES = 4
MOST = 3


class Tagger(torch.nn.Module):
    def __init__(self):
        super().__init__()
        config = SwinConfig(image_size=SIZE, patch_size=4, embed_dim=8, depths=[1, 1], num_heads=[1, 2], window_size=4, initializer_range=0.3)
        self.backbone = SwinModel(config, add_pooling_layer=False)
        self.queries = torch.nn.Parameter(torch.randn(len(TAGS), 16))
        self.attention = torch.nn.MultiheadAttention(16, 2, batch_first=True)
        self.head = torch.nn.Linear(16, 1)

    def forward(self, image):
        tokens = self.backbone(pixel_values=image).last_hidden_state
        queries = self.queries.unsqueeze(0).expand(image.shape[0], -1, -1)
        seen, _ = self.attention(queries, tokens, tokens, need_weights=False)
        return self.head(seen + queries).squeeze(-1)


def picture(number):
    """The pictures of the reference, by a formula that the Rust test repeats."""
    places = torch.arange(3 * SIZE * SIZE, dtype=torch.float64)
    return torch.sin(places * 0.37 * (number + 1) + number).float().reshape(1, 3, SIZE, SIZE)


def main():
    torch.manual_seed(20261121)
    torch.set_num_threads(1)
    tagger = Tagger().eval()
    torch.onnx.export(
        tagger,
        (picture(0),),
        str(HERE / "model.onnx"),
        input_names=["image"],
        output_names=["logits"],
        opset_version=17,
        dynamo=False,
    )
    expected = []
    with torch.no_grad():
        for number in range(PICTURES):
            scores = tagger(picture(number))[0].sigmoid().tolist()
            found = [(name, score) for name, score, least in zip(TAGS, scores, THRESHOLDS) if name and score >= least]
            found.sort(key=lambda tag: -tag[1])
            found = found[:MOST]
            expected.append([{"name": name, "confidence": round(score, 6)} for name, score in found])
    (HERE / "expected.json").write_text(json.dumps(expected, indent=1) + "\n")
    (HERE / "labels.txt").write_text("".join(f"{tag}\n" for tag in TAGS))
    (HERE / "thresholds.txt").write_text("".join(f"{threshold}\n" for threshold in THRESHOLDS))
    manifest()


def manifest():
    def file(name, role):
        data = (HERE / name).read_bytes()
        return f'[[files]]\npath = "{name}"\nrole = "{role}"\nsha256 = "{hashlib.sha256(data).hexdigest()}"\nbytes = {len(data)}\n'

    (HERE / "model.toml").write_text(
        f"""name = "tiny-tagger"
version = "1"
task = "image-tagging"
family = "tagger"
licence = "Apache-2.0"
description = "Random weights for tests; it knows nothing."
source = "make.py in this folder"

{file("model.onnx", "model")}
{file("labels.txt", "labels")}
{file("thresholds.txt", "thresholds")}
[image]
size = {SIZE}
resize = "stretch"
filter = "bilinear"
mean = [0.485, 0.456, 0.406]
std = [0.229, 0.224, 0.225]

[tagger]
layout = "logits"
max_tags = {MOST}

[batch]
max_batch = 1
"""
    )


main()
