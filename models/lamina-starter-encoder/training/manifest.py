"""Writes model.toml from the files of the package and from a report of `measure.py`.

    python manifest.py --package DIR --report report.json

Every distance in it comes from a measured one, by the rules in `distances`.
"""

import argparse
import hashlib
import json
from pathlib import Path

import trunk

FILES = (("vision_model.onnx", "vision"), ("text_model.onnx", "text"), ("tokenizer.json", "tokenizer"))


def rising(values, step=0.01):
    """Rounded, each at least `step` above the one before."""
    out = []
    for value in values:
        out.append(round(max(value, out[-1] + step) if out else value, 3))
    return out


def distances(report: dict) -> dict:
    """Cluster levels and limits (cosine distance) and the calibration."""
    levels = report["levels"]
    true, false = report["photos"]["true_distance"], report["photos"]["false_distance"]
    # A caption and its picture: the closest tenth is shown below 0.2, half below 0.35, and the limit 0.6 lies at the
    # distance that keeps 90 of 100 true captions, or 2 of 100 false ones if that is less.
    limit = min(true["90"], max(false["1"] + (false["5"] - false["1"]) * 0.25, true["75"]))
    raw = rising([true["10"], true["50"], limit, false["50"]], 0.02)
    return {
        "cluster": rising([levels[str(i)] for i in range(5)]),
        "outlier": round(report["spread"]["fifth"]["95"], 3),
        "raw": raw,
        "shown": [0.2, 0.35, 0.6, 0.9],
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--package", type=Path, required=True)
    parser.add_argument("--report", type=Path, required=True)
    parser.add_argument("--duplicates", type=float, default=0.92)
    parser.add_argument("--anchor", type=float, default=0.3)
    options = parser.parse_args()
    found = distances(json.loads(options.report.read_text()))
    lines = [
        'name = "lamina-starter-encoder"',
        'version = "1"',
        'task = "image-text-embedding"',
        'family = "dual-encoder"',
        'licence = "Apache-2.0"',
        'description = "Small image and text encoder: MobileNetV2 trunk with a trained head and a small text tower, for clusters, duplicates, visual search and simple text search."',
        'source = "trained by this project: models/lamina-starter-encoder/training"',
        "dimension = 256",
        "",
    ]
    for name, role in FILES:
        data = (options.package / name).read_bytes()
        digest = hashlib.sha256(data).hexdigest()
        lines += ["[[files]]", f'path = "{name}"', f'role = "{role}"', f'sha256 = "{digest}"', f"bytes = {len(data)}", ""]
    lines += [
        "[image]",
        f"size = {trunk.RESOLUTION}",
        'resize = "stretch"',
        'filter = "bilinear"',
        "mean = [0.5, 0.5, 0.5]",
        "std = [0.5, 0.5, 0.5]",
        "",
        "[text]",
        "max_length = 32",
        "pad_id = 1",
        "pad_to_max = false",
        "attention_mask = true",
        'prefix = ""',
        "",
        "[index]",
        f"cluster_distances = {found['cluster']}",
        f"anchor_distance = {options.anchor}",
        f"outlier_distance = {found['outlier']}",
        f"duplicate_similarity = {options.duplicates}",
        "",
        "[calibration]",
        f"raw = {found['raw']}",
        f"shown = {found['shown']}",
        "",
        "[batch]",
        "max_batch = 32",
        "",
    ]
    (options.package / "model.toml").write_text("\n".join(lines))


if __name__ == "__main__":
    main()
