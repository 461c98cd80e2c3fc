"""Writes the model.toml of a starter package: what it is, its files with size and SHA-256, and its sections.

    python package.py --package DIR      # the sections are those of the package's own training/manifest.toml
"""

import argparse
import hashlib
from pathlib import Path

ROLES = {
    "model.onnx": "model",
    "encoder_model.onnx": "encoder",
    "decoder_model_merged.onnx": "decoder",
    "tokenizer.json": "tokenizer",
    "generation_config.json": "document",
    "labels.txt": "labels",
    "thresholds.txt": "thresholds",
}


def listed(folder: Path) -> list[str]:
    """The [[files]] tables of the files that are there."""
    lines = []
    for name, role in ROLES.items():
        if (folder / name).exists():
            data = (folder / name).read_bytes()
            digest = hashlib.sha256(data).hexdigest()
            lines += ["[[files]]", f'path = "{name}"', f'role = "{role}"', f'sha256 = "{digest}"', f"bytes = {len(data)}", ""]
    return lines


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--package", type=Path, required=True)
    folder = parser.parse_args().package
    head, _, sections = (folder / "training" / "manifest.toml").read_text().partition("\n[")
    (folder / "model.toml").write_text("\n".join([head.rstrip(), "", *listed(folder), "[" + sections]))


if __name__ == "__main__":
    main()
