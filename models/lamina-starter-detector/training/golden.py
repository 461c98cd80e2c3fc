"""Writes the golden file: rows of the raw output, and the objects after suppression.

    python golden.py --package DIR --images DIR --out FILE
"""

import argparse
from pathlib import Path

import numpy as np

import golden_file
from measure import Package

PREPROCESSING = [
    "decode the PNG to 8-bit RGB",
    "scale by 320 / the longer side (both sides rounded down): separable convolution with the triangle (bilinear) filter, widened by the scale when shrinking (antialiased), result rounded to 8 bits",
    "at the top left of 320 x 320, the rest 114; BGR, 0..255 as float32, NCHW, batch of 1, input images",
]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("package", "images", "out"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    options = parser.parse_args()
    package = Package(options.package)
    images = []
    for file, picture in golden_file.pictures(options.images):
        raw, ratio = package.raw(picture)
        best = np.argsort(-(raw[:, 4:5] * raw[:, 5:]).max(1))[:4]
        boxes, scores, classes = package.objects(picture, 0.3, 0.5, 100)
        images.append(
            {
                "file": file,
                "width": picture.width,
                "height": picture.height,
                "scale": round(ratio, 6),
                "raw": [{"cell": int(c), "first_8": golden_file.rounded(raw[c, :8]), "best_class": int(raw[c, 5:].argmax()), "best_score": round(float(raw[c, 5:].max()), 4)} for c in best],
                "objects": [
                    {"label": package.labels[k], "class": int(k), "score": round(float(s), 4), "corners": golden_file.rounded(b, 2)}
                    for b, s, k in zip(boxes, scores, classes)
                ],
            }
        )
    tolerance = "raw values 0.02, scores 0.01, corners 1 pixel of the picture; objects: score >= 0.3, class-wise suppression above an overlap of 0.5, corners in pixels of the picture, clipped to it"
    golden_file.write(options.out, options.package, PREPROCESSING, tolerance, images)


if __name__ == "__main__":
    main()
