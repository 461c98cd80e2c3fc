"""Writes what the reference processors make of two pictures: `../processors.json` and, one after the other, the tensors of its cases as
little-endian 32-bit floats: `../processors.bin`.

    python make_tensors.py

needs transformers (5.23, its Pillow backend), numpy, pillow and opencv-python-headless. Sizes are smaller than those of real models; the
rules do not depend on them. The Rust side makes the pictures again by the same formulas and reads each case's `image` table as a manifest
has it.
"""

import json

import cv2
import numpy as np
from packages import GOLDEN
from PIL import Image
from transformers import BitImageProcessorPil, CLIPImageProcessorPil, RTDetrImageProcessorPil, SiglipImageProcessorPil

IMAGENET = {"mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225]}
CLIP = {"mean": [0.48145466, 0.4578275, 0.40821073], "std": [0.26862954, 0.26130258, 0.27577711]}
HALF = {"mean": [0.5] * 3, "std": [0.5] * 3}
PLAIN = {"mean": [0.0] * 3, "std": [1.0] * 3}


def picture(name):
    """`wide` is smooth with a few edges, `tall` has detail at every scale."""
    width, height = {"wide": (97, 61), "tall": (58, 83)}[name]
    x, y = np.meshgrid(np.arange(width), np.arange(height))
    if name == "wide":
        planes = [x * 255 // width, (y * 3 + x) % 256, np.where((x // 16 + y // 16) % 2 == 0, 200, 40)]
    else:
        planes = [x * 37 + y * 11, x * x + y * 3, x * 5 + y * y * 7]
    return np.stack([plane % 256 for plane in planes], -1).astype(np.uint8)


def pil(processor, rgb):
    return processor(images=Image.fromarray(rgb), return_tensors="np")["pixel_values"][0]


def letterbox(rgb, size):
    """`preproc` of YOLOX."""
    bgr = rgb[..., ::-1]
    height, width = bgr.shape[:2]
    ratio = min(size / height, size / width)
    small = cv2.resize(np.ascontiguousarray(bgr), (int(width * ratio), int(height * ratio)), interpolation=cv2.INTER_LINEAR)
    padded = np.full((size, size, 3), 114, np.uint8)
    padded[: small.shape[0], : small.shape[1]] = small
    return padded.transpose(2, 0, 1).astype(np.float32)


def spec(size, resize, filter, norm, **more):
    return {"size": size, "resize": resize, "filter": filter, **norm, **more}


def cases():
    edge = lambda side: {"shortest_edge": side}  # noqa: E731
    crop = lambda side: {"height": side, "width": side}  # noqa: E731
    norm = lambda values: {"image_mean": values["mean"], "image_std": values["std"]}  # noqa: E731
    clip = CLIPImageProcessorPil(size=edge(24), crop_size=crop(24))
    assert (list(clip.image_mean), list(clip.image_std), int(clip.resample)) == (CLIP["mean"], CLIP["std"], 3)
    yield "clip", spec(24, "shortest-edge-crop", "bicubic", CLIP), lambda rgb: pil(clip, rgb)
    siglip = SiglipImageProcessorPil(size=crop(24))
    assert (list(siglip.image_mean), list(siglip.image_std), int(siglip.resample)) == (HALF["mean"], HALF["std"], 3)
    yield "siglip", spec(24, "stretch", "bicubic", HALF), lambda rgb: pil(siglip, rgb)
    siglip2 = SiglipImageProcessorPil(size=crop(24), resample=2)
    yield "siglip2", spec(24, "stretch", "bilinear", HALF), lambda rgb: pil(siglip2, rgb)
    dinov2 = BitImageProcessorPil(size=edge(32), crop_size=crop(28), resample=3, **norm(IMAGENET))
    yield "dinov2", spec(28, "shortest-edge-crop", "bicubic", IMAGENET, shortest_edge=32), lambda rgb: pil(dinov2, rgb)
    rt_detr = RTDetrImageProcessorPil(size=crop(32))
    yield "rt-detr", spec(32, "stretch", "bilinear", PLAIN), lambda rgb: pil(rt_detr, rgb)
    normalised = RTDetrImageProcessorPil(size=crop(28), do_normalize=True, **norm(IMAGENET))
    yield "rf-detr", spec(28, "stretch", "bilinear", IMAGENET), lambda rgb: pil(normalised, rgb)
    yolox = spec(32, "letterbox", "four-nearest", PLAIN, channels="bgr", range="bytes")
    yield "yolox", yolox, lambda rgb: letterbox(rgb, 32)
    # Larger than the picture: nothing is cut or aliased when it grows.
    yield "yolox, enlarged", {**yolox, "size": 104}, lambda rgb: letterbox(rgb, 104)


def main():
    listed, blocks = [], []
    for name, image, process in cases():
        for shape in ("wide", "tall"):
            if image["size"] == 104 and shape == "tall":
                continue
            tensor = np.ascontiguousarray(process(picture(shape)), np.float32)
            assert tensor.shape == (3, image["size"], image["size"]), tensor.shape
            listed.append({"name": name, "picture": shape, "image": image})
            blocks.append(tensor.astype("<f4").tobytes())
    (GOLDEN / "processors.json").write_text(json.dumps(listed, indent=1) + "\n")
    (GOLDEN / "processors.bin").write_bytes(b"".join(blocks))
    print(len(listed), sum(map(len, blocks)))


if __name__ == "__main__":
    main()
