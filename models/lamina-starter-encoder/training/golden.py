"""Writes the golden file: expected outputs for three drawn pictures and three sentences.

    python golden.py --package DIR --out FILE --images DIR

Two pictures have the model's own size, so that no resizing takes part; the third is larger and not square.
"""

import argparse
import json
from pathlib import Path

import numpy as np
from PIL import Image, ImageFilter

import dataset
import generate
import trunk
from encoder import Encoder

SENTENCES = ("a red circle", "a drawing of a boat on the water", "a photo of a dog")


def chosen_scenes() -> dict[str, int]:
    """The calmest picture (smallest file) of a red circle, of a boat and of a house."""
    wanted = {"circle": {"red circle", "1 shapes", "plain background"}, "boat": {"boat", "day"}, "house": {"house", "day"}}
    best = {}
    for i in range(300):
        scene = generate.scene(i)
        for name, facts in wanted.items():
            if facts <= scene.facts:
                noise = float(np.asarray(scene.picture, np.float32)[:16, :16].std())
                best[name] = min(best.get(name, (np.inf, 0)), (noise, i))
    return {name: i for name, (_, i) in best.items()}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--package", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--images", type=Path, required=True)
    options = parser.parse_args()
    options.images.mkdir(parents=True, exist_ok=True)
    encoder = Encoder(options.package)
    found = chosen_scenes()
    size = trunk.RESOLUTION
    shapes = {"circle": (size, size), "boat": (size, size), "house": (320, 240)}
    pictures, entries = [], []
    for name, target in shapes.items():
        picture = generate.scene(found[name]).picture.resize(target, Image.Resampling.BILINEAR)
        picture = picture.filter(ImageFilter.MedianFilter(7))  # less noise: a small file
        picture = picture.quantize(12, dither=Image.Dither.NONE).convert("RGB")
        path = options.images / f"starter-encoder-{name}.png"
        picture.save(path, optimize=True)
        pictures.append(picture)
        entries.append({"file": f"images/{path.name}", "width": target[0], "height": target[1], "resized": target != (size, size)})
    images = encoder.images(pictures, batch=1)
    texts = encoder.sentences(list(SENTENCES), batch=1)
    both = np.concatenate([images, texts])
    for entry, row in zip(entries, images):
        entry["first_16"] = [round(float(v), 6) for v in row[:16]]
        entry["tolerance"] = 2e-2 if entry["resized"] else 1e-3
    sentences = []
    for text, row in zip(SENTENCES, texts):
        ids, _ = dataset.encode(encoder.tokenizer, [text])
        sentences.append({"text": text, "input_ids": ids[0].tolist(), "first_16": [round(float(v), 6) for v in row[:16]], "tolerance": 1e-3})
    result = {
        "package": "lamina-starter-encoder",
        "made_by": "models/lamina-starter-encoder/training/golden.py with ONNX Runtime on CPU, one picture a batch",
        "preprocessing": [
            "decode the PNG to 8-bit RGB",
            f"stretch to {size} x {size} without keeping the aspect ratio: separable convolution with the triangle (bilinear) filter, widened by the scale when shrinking (antialiased), result rounded to 8 bits; nothing to do when the size already fits",
            "x / 127.5 - 1 as float32, that is (x / 255 - 0.5) / 0.5",
            "NCHW, batch of 1, input pixel_values",
            "L2-normalise image_embeds",
        ],
        "text_preprocessing": "tokenizer.json (lower-cases, adds start 0 and end 1), no padding, attention_mask of ones; L2-normalise text_embeds",
        "tolerance": "absolute, on each value and on each cosine; wider where the picture is resized",
        "images": entries,
        "texts": sentences,
        "cosine": {
            "order": [e["file"] for e in entries] + list(SENTENCES),
            "matrix": [[round(float(v), 5) for v in row] for row in both @ both.T],
        },
    }
    options.out.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
