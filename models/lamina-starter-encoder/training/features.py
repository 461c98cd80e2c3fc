"""Precompute trunk features of every view, so that training the head is cheap.

    python features.py --trunk DIR --photos DIR --out DIR [--scenes 6000] [--part photos|test|scenes]

Writes `photos.npy` and `scenes.npy` (float16 [n, views, WIDTH]) and `test.npy` (the copies of the test photos).
"""

import argparse
from pathlib import Path

import numpy as np
from PIL import Image

import photos as photo_sets
import views
from trunk import RESOLUTION, WIDTH, Trunk


def fill(trunk, pictures, count, kinds, target, seed):
    """Write the features of every view of every picture to an .npy file."""
    rows = np.lib.format.open_memmap(target, "w+", np.float16, (count, len(kinds), WIDTH))
    for i, picture in enumerate(pictures):
        rng = np.random.default_rng([seed, i])
        batch = np.empty((len(kinds), RESOLUTION, RESOLUTION, 3), np.uint8)
        for k, kind in enumerate(kinds):
            batch[k] = views.fit(views.make(kind, picture, rng), RESOLUTION)
        rows[i] = trunk(batch)
        if i % 500 == 0:
            print(target.name, i, "of", count, flush=True)
    rows.flush()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trunk", type=Path, required=True)
    parser.add_argument("--photos", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--scenes", type=int, default=6000)
    parser.add_argument("--part", choices=["photos", "test", "scenes"], action="append")
    options = parser.parse_args()
    parts = options.part or ["photos", "test", "scenes"]
    options.out.mkdir(parents=True, exist_ok=True)
    trunk = Trunk(options.trunk)

    def opened(paths):
        return (Image.open(path).convert("RGB") for path in paths)

    if "photos" in parts:
        paths = [p.path for p in photo_sets.load(options.photos)]
        fill(trunk, opened(paths), len(paths), views.PHOTO_VIEWS, options.out / "photos.npy", 1)
    if "test" in parts:
        paths = [p.path for p in photo_sets.load(options.photos) if p.split == "test"]
        fill(trunk, opened(paths), len(paths), views.TEST_VIEWS, options.out / "test.npy", 2)
    if "scenes" in parts:
        import generate

        scenes = (generate.scene(i).picture for i in range(options.scenes))
        fill(trunk, scenes, options.scenes, views.SCENE_VIEWS, options.out / "scenes.npy", 3)


if __name__ == "__main__":
    main()
