"""Captions by grammar, and the facts each of them states.

A fact is a short string ("dog", "red circle left"). A caption is true of a picture when the picture has all the facts it
states; training uses that to leave true captions out of the negatives.
"""

from dataclasses import dataclass

from PIL import Image

import looks
from photos import Photo
from words import article, plural

Caption = tuple[str, frozenset]

MEDIUM = {
    "eurosat-rgb": ("satellite", ["a satellite photo of {}", "an aerial view of {}", "{} from above", "a satellite image of {}"]),
    "aquarium": ("aquarium", ["{} in an aquarium", "a photo of {} at the aquarium"]),
    "grocery-store": ("shop", ["{} in a shop", "{} in a grocery store", "{} at the market"]),
}
PLAIN = ["{}", "a photo of {}", "a picture of {}", "{} in a photo"]
CLOSE = ["a close-up of {}", "a large {}"]
NUMBERS = {2: "two", 3: "three", 4: "four"}


@dataclass
class Described:
    facts: set[str]  # true of the picture
    perhaps: set[str]  # may be true: never used as a negative
    captions: list[Caption]


def subject_box(photo: Photo):
    """Largest box, number of boxes of its class, or (None, 0)."""
    if not photo.boxes:
        return None, 0
    biggest = max(photo.boxes, key=lambda b: (b[3] - b[1]) * (b[4] - b[2]))
    same = [b for b in photo.boxes if b[0] == biggest[0]]
    return biggest[1:], len(same)


def photo_captions(photo: Photo, names: list[str], wider: list[str]) -> Described:
    """Everything that is said of one photo."""
    facts = {"photo", *names, *wider}
    perhaps: set[str] = set()
    out: list[Caption] = []

    def say(text: str, *stated: str):
        facts.update(stated)
        out.append((text, frozenset(stated)))

    box, count = subject_box(photo)
    whole_animal = photo.dataset != "oxford-pets-3"  # those boxes are heads
    seen = looks.describe(Image.open(photo.path), box if whole_animal else None)
    things = [(n, article(n)) for n in names]
    for name, thing in things:
        for template in PLAIN[:2] + PLAIN[2:] * (name == names[0]):
            say(template.format(thing), name)
        if photo.dataset in MEDIUM:
            medium, templates = MEDIUM[photo.dataset]
            for template in templates:
                say(template.format(thing if medium != "satellite" else name), name, medium)
    for word in wider:
        say(article(word), word)
        say(f"a photo of {article(word)}", word)
    if wider:
        say(f"{things[0][1]}, {article(wider[0])}", names[0], wider[0])

    inner = sorted(seen["inner"].items(), key=lambda kv: -kv[1])
    perhaps.update(f"{c} thing" for c, share in inner if share > 0.15)
    perhaps.update(c for c, share in seen["whole"].items() if share > 0.1)
    colour, share = inner[0]
    if share > 0.45 and photo.dataset != "eurosat-rgb" and "face" not in names:
        for word in (names[0], *wider[:1]):
            if not word.startswith(looks.COLOURS):
                bare = article(f"{colour} {word}") if article(word) != word else f"{colour} {word}"
                say(bare, word, f"{colour} thing")
                say(f"a photo of {bare}", word, f"{colour} thing")
    colour, share = max(seen["whole"].items(), key=lambda kv: kv[1])
    if share > 0.5 and colour not in ("white", "black", "grey"):
        say(f"{things[0][1]} in a {colour} picture", names[0], colour)
    for ground in ("white", "black"):
        if seen[f"{ground}_ground"]:
            say(f"{things[0][1]} on a {ground} background", names[0], f"{ground} background")
        perhaps.add(f"{ground} background")
    if seen["grey"]:
        say(f"a black and white picture of {things[0][1]}", names[0], "black and white")
    if seen["light"] < 60:
        say(f"a dark picture of {things[0][1]}", names[0], "dark")
    if seen["light"] > 190:
        say(f"a bright picture of {things[0][1]}", names[0], "bright")
    perhaps.update(["dark"] if seen["light"] < 90 else [])
    perhaps.update(["bright"] if seen["light"] > 160 else [])

    if box:
        middle = (box[0] + box[2]) / 2
        area = (box[2] - box[0]) * (box[3] - box[1])
        for word in (names[0], *(w for w in wider[:1] if w not in ("animal",))):
            thing = article(word)
            if middle < 0.36 and count == 1:
                say(f"{thing} on the left", word, "left")
            elif middle > 0.64 and count == 1:
                say(f"{thing} on the right", word, "right")
            if area > 0.5 and whole_animal:
                say(f"a close-up of {thing}", word, "close")
            if area < 0.08 and whole_animal and count < 3:
                say(f"{thing} far away", word, "small")
            if count in NUMBERS:
                say(f"{NUMBERS[count]} {plural(word)}", word, f"{count} of them")
            elif count > 4:
                say(f"many {plural(word)}", word, "many")
                say(f"a group of {plural(word)}", word, "many")
        if 0.36 <= middle < 0.45:
            perhaps.add("left")
        if 0.55 < middle <= 0.64:
            perhaps.add("right")
        if count > 1:
            perhaps.update(["left", "right", "many"])
        perhaps.update(["close"] if area > 0.35 else ["small"] if area < 0.15 else [])
    else:
        perhaps.update(["close", "small", "left", "right", "many", *(f"{n} of them" for n in NUMBERS)])
    return Described(facts, perhaps, out)


def imagenet_captions(names: list[str], wider: list[str]) -> Described:
    """What is said of a picture of an ImageNet class."""
    out: list[Caption] = []
    for i, name in enumerate(names):
        thing = article(name)
        for template in PLAIN if i == 0 else PLAIN[:2]:
            out.append((template.format(thing), frozenset([name])))
    for word in wider:
        thing = article(word)
        for template in PLAIN:
            out.append((template.format(thing), frozenset([word])))
    if wider:
        out.append((f"{article(names[0])}, {article(wider[0])}", frozenset([names[0], wider[0]])))
    return Described({"photo", *names, *wider}, set(), out)
