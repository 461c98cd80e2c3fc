"""Reads the labelled photo sets: one record a photo.

Expected under the folder: `<set>/labels.csv` with `file,label,split[,xmin,ymin,xmax,ymax]`, one row a box.
"""

import csv
from dataclasses import dataclass, field
from pathlib import Path

SETS = (
    "aquarium",
    "caltech101",
    "clothing-small",
    "eurosat-rgb",
    "flower-photos",
    "grocery-store",
    "openimages-vehicles",
    "oxford-pets-3",
)


@dataclass
class Photo:
    path: Path
    dataset: str
    label: str  # folder name: the class of the photo
    split: str
    boxes: list[tuple[str, float, float, float, float]] = field(default_factory=list)


def load(folder: Path) -> list[Photo]:
    """All photos in a fixed order (set, then the order of labels.csv)."""
    photos: dict[Path, Photo] = {}
    for dataset in SETS:
        root = Path(folder) / dataset
        with open(root / "labels.csv", newline="") as rows:
            for row in csv.DictReader(rows):
                path = root / row["file"]
                if path not in photos:
                    photos[path] = Photo(path, dataset, row["file"].split("/")[0], row["split"])
                if row.get("xmin"):
                    corners = [float(row[k]) for k in ("xmin", "ymin", "xmax", "ymax")]
                    photos[path].boxes.append((row["label"], *corners))
    return list(photos.values())
