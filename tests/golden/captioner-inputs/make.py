"""Writes what the processors of transformers make of the golden pictures: every 1009th value of the tensors of vit-gpt2 and Florence-2.

    python make.py
"""

import json
import pathlib

from PIL import Image
from transformers import CLIPImageProcessorPil, ViTImageProcessorPil

HERE = pathlib.Path(__file__).resolve().parent
IMAGES = HERE.parent / "images"
MEAN, STD = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]
PROCESSORS = {
    "vit-gpt2": ViTImageProcessorPil(size={"height": 224, "width": 224}, resample=2, image_mean=[0.5] * 3, image_std=[0.5] * 3),
    # Florence-2 uses CLIP's processor without its crop.
    "florence2": CLIPImageProcessorPil(
        size={"height": 768, "width": 768}, resample=3, do_center_crop=False, image_mean=MEAN, image_std=STD, do_convert_rgb=True
    ),
}

expected = []
for file in sorted(IMAGES.glob("starter-encoder-*.png")):
    for name, processor in PROCESSORS.items():
        tensor = processor(Image.open(file).convert("RGB"), return_tensors="np")["pixel_values"][0]
        values = [round(float(value), 6) for value in tensor.reshape(-1)[::1009]]
        expected.append({"image": file.name, "processor": name, "size": tensor.shape[-1], "every_1009th": values})
(HERE / "expected.json").write_text("[\n" + ",\n".join(json.dumps(case) for case in expected) + "\n]\n")
