"""Writes the head of a golden file: what the package is, and how pictures were prepared. The packages' golden.py add outputs."""

import json
from pathlib import Path

from PIL import Image

import examples

STRETCH = [
    "decode the PNG to 8-bit RGB",
    "stretch to 224 x 224 without keeping the aspect ratio: separable convolution with the triangle (bilinear) filter, widened by the scale when shrinking (antialiased), result rounded to 8 bits; nothing to do when the size already fits",
    "x / 127.5 - 1 as float32, that is (x / 255 - 0.5) / 0.5; NCHW, batch of 1, input pixel_values",
]


def rounded(values, digits=4) -> list:
    return [round(float(v), digits) for v in values]


def pictures(folder: Path):
    for name in examples.NAMES:
        yield f"images/{name}", Image.open(folder / name).convert("RGB")


def write(out: Path, package: Path, preprocessing, tolerance: str, images: list):
    result = {
        "package": package.resolve().name,
        "made_by": f"models/{package.resolve().name}/training/golden.py with ONNX Runtime on CPU, one picture a batch",
        "preprocessing": preprocessing,
        "tolerance": tolerance,
        "images": images,
    }
    out.write_text(json.dumps(result, indent=1) + "\n")
    print(out, out.stat().st_size)
