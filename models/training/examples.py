"""The pictures of the golden files: those of the encoder, and two drawn by lamina-media.

    python examples.py --scenes DIR --images DIR     # writes the two; numbers below 500 of the scenes are held out
"""

import argparse
from pathlib import Path

from PIL import Image, ImageFilter

import drawn

NAMES = ("starter-encoder-circle.png", "starter-encoder-boat.png", "starter-encoder-house.png", "starter-drawn-car.png", "starter-drawn-stars.png")
WANTED = {"starter-drawn-car.png": ("car", "red car on a road by day"), "starter-drawn-stars.png": ("star", "two ")}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scenes", type=Path, required=True)
    parser.add_argument("--images", type=Path, required=True)
    options = parser.parse_args()
    scenes = drawn.load(options.scenes)[: drawn.HELD_OUT]
    for name, (label, start) in WANTED.items():
        for scene in (s for s in scenes if s.label == label and s.title.startswith(start)):
            picture = Image.open(scene.path).convert("RGB")
            if picture.convert("L").getextrema()[0] < 60 and picture.width > picture.height:  # neither washed out nor upright
                break
        picture = picture.filter(ImageFilter.MedianFilter(5)).quantize(48, dither=Image.Dither.NONE)
        picture.save(options.images / name, optimize=True)
        print(name, scene.title, (options.images / name).stat().st_size)


if __name__ == "__main__":
    main()
