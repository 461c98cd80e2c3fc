"""Reads the drawn scenes that `cargo run -p lamina-media --example scenes` writes, with their truth."""

from dataclasses import dataclass
from pathlib import Path

HELD_OUT = 500  # the first pictures of the folder are never trained on


@dataclass
class Drawn:
    path: Path
    label: str
    title: str  # "one red circle on striped green", "red boat on the water at night"
    things: list[tuple[str, str | None, tuple[float, float, float, float]]]  # name, colour, corners as fractions


def load(folder: Path) -> list[Drawn]:
    """All pictures, in the order of their numbers."""
    scenes = []
    for line in (Path(folder) / "scenes.tsv").read_text().splitlines():
        file, label, title, *rest = line.split("\t")
        things = []
        for thing in rest:
            name, tint, *corners = thing.split(" ")
            things.append((name, None if tint == "-" else tint, tuple(map(float, corners))))
        scenes.append(Drawn(Path(folder) / file, label, title, things))
    return scenes
