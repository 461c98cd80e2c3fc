"""Writes the golden file: logits, and the tags above their thresholds.

    python golden.py --package DIR --images DIR --out FILE
"""

import argparse
from pathlib import Path

import numpy as np

import golden_file
from measure import Package


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("package", "images", "out"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    options = parser.parse_args()
    package = Package(options.package)
    images = []
    for file, picture in golden_file.pictures(options.images):
        scores = package.scores([picture])[0]
        said = [t for t in np.argsort(-scores, kind="stable") if scores[t] >= package.limits[t]]
        images.append(
            {
                "file": file,
                "width": picture.width,
                "height": picture.height,
                "logits_first_32": golden_file.rounded(np.log(scores[:32] / (1 - scores[:32]))),
                "tags": [{"tag": package.labels[t], "index": int(t), "score": round(float(scores[t]), 4)} for t in said],
            }
        )
    tolerance = "logits 0.05, scores 0.01; a tag whose score is that close to its threshold may be missing or come in addition"
    golden_file.write(options.out, options.package, golden_file.STRETCH, tolerance, images)


if __name__ == "__main__":
    main()
