"""Trunk features of every training picture, changed in several ways, kept on disk.

    python features.py --trunk DIR --photos DIR --scenes DIR --out DIR [--changed 4] [--mosaics 3]

Writes `p3.npy` [n,40,40,32], `p4.npy` [n,20,20,96], `p5.npy` [n,10,10,320] (float16) and `truth.json`.
"""

import argparse
import json
from pathlib import Path

import numpy as np

import boxes as known
import mobilenet
import pictures

TAPS = ("t22", "t48", "t62")
SHAPES = ((40, 40, 32), (20, 20, 96), (10, 10, 320))
SEED = 11


def recipes(items, changed, mosaics, rng):
    """(group, maker) of each picture; `maker(rng)` gives the picture and its boxes."""
    train = [i for i in items if not i.test]
    boxed = [i for i in train if i.boxes and i.source != "drawn"]
    empty = [i for i in train if not i.boxes]
    scenes = [i for i in train if i.source == "drawn"]
    out = []
    for item in items:
        if item.test:
            group = "test-drawn" if item.source == "drawn" else "test"
            out.append((group, lambda _, item=item: pictures.plain(item)))
    empty = [empty[i] for i in rng.permutation(len(empty))[:1400]]
    for item in boxed + empty:
        out.append(("train", lambda _, item=item: pictures.plain(item)))
    for item in boxed:
        for _ in range(changed):
            out.append(("train", lambda rng, item=item: pictures.changed(item, rng)))
        for _ in range(mosaics):
            others = [boxed[rng.integers(len(boxed))] for _ in range(2)]
            last = [boxed, empty, scenes][rng.choice(3, p=[0.4, 0.3, 0.3])]
            four = [item, *others, last[rng.integers(len(last))]]
            four = [four[i] for i in rng.permutation(4)]
            out.append(("train", lambda rng, four=four: pictures.mosaic(four, rng)))
    for i, item in enumerate(scenes):
        if i % 2:
            out.append(("train", lambda _, item=item: pictures.plain(item)))
        else:
            out.append(("train", lambda rng, item=item: pictures.changed(item, rng)))
    return out


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("trunk", "photos", "scenes", "out"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    parser.add_argument("--changed", type=int, default=4)
    parser.add_argument("--mosaics", type=int, default=3)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    names, items = known.items(options.photos, options.scenes)
    todo = recipes(items, options.changed, options.mosaics, np.random.default_rng(SEED))
    print(len(names), "classes", len(items), "pictures", len(todo), "views", flush=True)
    session = mobilenet.tapped(options.trunk, TAPS, pictures.SIDE)
    files = [
        np.lib.format.open_memmap(options.out / f"p{level}.npy", "w+", np.float16, (len(todo), *shape))
        for level, shape in zip((3, 4, 5), SHAPES)
    ]
    truth = []
    for start in range(0, len(todo), 8):
        stack = []
        for i, (group, maker) in enumerate(todo[start : start + 8]):
            picture, boxes = maker(np.random.default_rng([SEED, start + i]))
            stack.append(np.asarray(picture))
            truth.append([group, [[int(b[0]), *(round(float(v), 2) for v in b[1:])] for b in boxes]])
        found = session.run(None, {"pixel_values": mobilenet.normalised(np.stack(stack))})
        for file, rows in zip(files, found):
            file[start : start + len(stack)] = rows.transpose(0, 2, 3, 1)
        if start % 1600 == 0:
            print(start, flush=True)
    (options.out / "truth.json").write_text(json.dumps({"names": names, "pictures": truth}))


if __name__ == "__main__":
    main()
