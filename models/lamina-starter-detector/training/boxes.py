"""What the detector learns: its classes, and the pictures with the boxes of those classes.

A picture is (path, [(class, left, top, right, bottom)]) with corners as fractions.
"""

from dataclasses import dataclass
from pathlib import Path

import drawn
import photos as photo_sets

# Labels of the photo sets under another name; those of the three breeds are boxes of heads.
RENAMED = {
    "airplanes": "airplane",
    "car_side": "car",
    "Car": "car",
    "Bus": "bus",
    "Truck": "truck",
    "Ambulance": "ambulance",
    "Motorcycle": "motorcycle",
    "binocular": "binoculars",
    "cellphone": "cell phone",
    "ceiling_fan": "ceiling fan",
    "bonsai": "bonsai tree",
    "Abyssinian_head": "cat head",
    "Bengal_head": "cat head",
    "american_bulldog_head": "dog head",
}
DRAWN = ("circle", "square", "triangle", "star", "ring", "cross", "house", "tree", "boat", "flower", "balloon", "mountains", "sun", "moon")

# Photos without boxes that may show something of a known class: of no use as pictures without objects.
UNSURE = {
    "Motorbikes", "Leopards", "cougar_body", "cougar_face", "crocodile_head", "dalmatian", "ferry", "flamingo_head", "ibis", "joshua_tree",
    "ketch", "lobster", "lotus", "minaret", "pagoda", "schooner", "soccer_ball", "starfish", "sunflower", "water_lilly", "wild_cat", "yin_yang",
    "stegosaurus", "inline_skate", "wheelchair", "bass", "watch", "stop_sign", "pizza",
}  # fmt: skip


@dataclass
class Item:
    path: Path
    source: str  # set of the photo, or "drawn"
    test: bool
    boxes: list[tuple[int, float, float, float, float]]


def class_names(folder: Path) -> list[str]:
    """Classes in a fixed order: photo classes by name, then the drawn ones."""
    names = {RENAMED.get(box[0], box[0]) for photo in photo_sets.load(folder) for box in photo.boxes}
    return sorted(names) + [name for name in DRAWN if name not in names]


def items(photos: Path, scenes: Path) -> tuple[list[str], list[Item]]:
    """Class names and every picture with known boxes, or surely without."""
    names = class_names(photos)
    number = {name: i for i, name in enumerate(names)}
    out = []
    loaded = photo_sets.load(photos)
    boxed = {photo.label for photo in loaded if photo.boxes}
    for photo in loaded:
        boxes = [(number[RENAMED.get(b[0], b[0])], *b[1:]) for b in photo.boxes]
        empty = photo.dataset in ("caltech101", "clothing-small", "grocery-store", "eurosat-rgb") and photo.label not in UNSURE | boxed
        if boxes or empty:
            out.append(Item(photo.path, photo.dataset, photo.split == "test", boxes))
    for i, scene in enumerate(drawn.load(scenes)):
        boxes = [(number[name], *corners) for name, _, corners in scene.things]
        out.append(Item(scene.path, "drawn", i < drawn.HELD_OUT, boxes))
    return names, out
