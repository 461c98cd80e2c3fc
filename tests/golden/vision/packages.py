"""What the scripts of this folder share: pictures by formula, and packages with their manifests."""

import hashlib
import json
import pathlib

import numpy as np
import onnx

GOLDEN = pathlib.Path(__file__).resolve().parent.parent


def picture(number, size):
    """A prepared tensor that the Rust tests make again by the same formula."""
    places = np.arange(3 * size * size, dtype=np.float64)
    return np.sin(places * 0.37 * (number + 1) + number).astype(np.float32).reshape(3, size, size)


def package(name, family, task, sections, files, expected):
    """Writes the manifest of `tests/golden/<name>` beside its files, whose names and roles are given, and what is expected of it."""
    folder = GOLDEN / name
    lines = [
        f'name = "{name}"',
        'version = "1"',
        f'task = "{task}"',
        f'family = "{family}"',
        'licence = "Apache-2.0"',
        'description = "Random weights for tests; it knows nothing."',
        'source = "tests/golden/vision in this repository"',
        sections.strip(),
    ]
    for file, role in files:
        data = (folder / file).read_bytes()
        digest = hashlib.sha256(data).hexdigest()
        lines.append(f'\n[[files]]\npath = "{file}"\nrole = "{role}"\nsha256 = "{digest}"\nbytes = {len(data)}')
    (folder / "model.toml").write_text("\n".join(lines) + "\n")
    (folder / "expected.json").write_text(json.dumps(expected, separators=(",", ":")) + "\n")


def rounded(values, digits=6):
    return [round(float(value), digits) for value in np.asarray(values).reshape(-1)]


def slim(path):
    """Short names instead of the exporter's long ones, and no notes: half of a tiny graph is made of them."""
    model = onnx.load(str(path))
    graph = model.graph
    kept = {value.name for value in list(graph.input) + list(graph.output)}
    short = {}

    def name(text):
        return text if not text or text in kept else short.setdefault(text, f"v{len(short)}")

    del graph.value_info[:]
    for tensor in graph.initializer:
        tensor.name = name(tensor.name)
    for node in graph.node:
        node.name = ""
        node.doc_string = ""
        node.input[:] = [name(text) for text in node.input]
        node.output[:] = [name(text) for text in node.output]
    onnx.checker.check_model(model)
    path.write_bytes(model.SerializeToString(deterministic=True))
