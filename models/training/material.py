"""The pictures that captioner and tagger learn from, in one fixed order: photos, drawn scenes, drawn shapes."""

from dataclasses import dataclass
from pathlib import Path

from PIL import Image

import drawn
import generate
import photos as photo_sets

SHAPES_HELD_OUT, SHAPES = 200, 2000  # pictures of generate.py: numbers 0-199, and from TRAIN_FROM on


@dataclass
class Item:
    group: str  # "photo", "drawn" (by lamina-media) or "shapes" (by generate.py)
    test: bool
    truth: object  # photos.Photo, drawn.Drawn or the number of a generate.scene

    def picture(self) -> Image.Image:
        if self.group == "shapes":
            return generate.scene(self.truth).picture
        return Image.open(self.truth.path).convert("RGB")


def items(photos: Path, scenes: Path) -> list[Item]:
    out = [Item("photo", p.split == "test", p) for p in photo_sets.load(photos)]
    out += [Item("drawn", i < drawn.HELD_OUT, d) for i, d in enumerate(drawn.load(scenes))]
    out += [Item("shapes", True, i) for i in range(SHAPES_HELD_OUT)]
    out += [Item("shapes", False, generate.TRAIN_FROM + i) for i in range(SHAPES - SHAPES_HELD_OUT)]
    return out
