"""The trunk at 224 x 224 as a grid of 7 x 7 cells: last features beside early ones (texture, colour) of the same cell.

    python grid.py --trunk DIR --photos DIR --scenes DIR --out DIR      # what captioner and tagger are trained on

Writes `grid.npy` (float16 [n, 49, WIDTH]) and `rows.json` ([item, view] of each row; items as in material.py).
"""

import argparse
import json
from pathlib import Path

import numpy as np
from onnx import TensorProto, helper, numpy_helper

import material
import mobilenet
import views

SIDE = 224
CELLS = 49
LAST = 1280
EARLY = 96 + 32 + 32 + 32 + 48  # means of t48 and t22, maxima of t22, means of t2r, 4 x 4 colours of a cell
WIDTH = LAST + EARLY
VIEWS = {"photo": ("plain", "flip", "strong", "strong"), "drawn": ("plain", "near"), "shapes": ("plain",)}


def nodes(model):
    """Nodes and weights from `pixel_values` to `grid` [n, 49, WIDTH]."""
    made, weights = mobilenet.part(model, ["t2r", "t22", "t48", "t63r"])

    def add(kind, inputs, output, **attributes):
        made.append(helper.make_node(kind, inputs, [output], name=output, **attributes))

    def pooled(kind, source, cell, output):
        add(kind, [source], output, kernel_shape=[cell, cell], strides=[cell, cell])

    pooled("AveragePool", "t48", 2, "cell_t48")
    pooled("AveragePool", "t22", 4, "cell_t22")
    pooled("MaxPool", "t22", 4, "cell_t22_max")
    pooled("AveragePool", "t2r", 16, "cell_t2")
    pooled("AveragePool", "pixel_values", 8, "thumbnail")
    add("SpaceToDepth", ["thumbnail"], "cell_colours", blocksize=4)
    add("Concat", ["t63r", "cell_t48", "cell_t22", "cell_t22_max", "cell_t2", "cell_colours"], "cells", axis=1)
    add("Reshape", ["cells", "grid_shape"], "cells_flat")
    add("Transpose", ["cells_flat"], "grid", perm=[0, 2, 1])
    weights.append(numpy_helper.from_array(np.array([0, WIDTH, CELLS], np.int64), "grid_shape"))
    return made, weights


def session(folder: Path):
    made, weights = nodes(mobilenet.load(folder))
    inputs = [("pixel_values", TensorProto.FLOAT, ["batch", 3, SIDE, SIDE])]
    outputs = [("grid", TensorProto.FLOAT, ["batch", CELLS, WIDTH])]
    return mobilenet.session(mobilenet.build("mobilenet_v2_grid", made, weights, inputs, outputs))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("trunk", "photos", "scenes", "out"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    items = material.items(options.photos, options.scenes)
    rows = [[i, view] for i, item in enumerate(items) for view in (("plain",) if item.test else VIEWS[item.group])]
    (options.out / "rows.json").write_text(json.dumps(rows))
    run = session(options.trunk)
    out = np.lib.format.open_memmap(options.out / "grid.npy", "w+", np.float16, (len(rows), CELLS, WIDTH))
    for start in range(0, len(rows), 8):
        stack = []
        for n, (i, view) in enumerate(rows[start : start + 8]):
            rng = np.random.default_rng([5, start + n])
            stack.append(views.fit(views.make(view, items[i].picture(), rng), SIDE))
        out[start : start + len(stack)] = run.run(None, {"pixel_values": mobilenet.normalised(np.stack(stack))})[0]
        if start % 2400 == 0:
            print(start, "of", len(rows), flush=True)


if __name__ == "__main__":
    main()
