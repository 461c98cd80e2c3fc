"""Whole captions by grammar: how many of what, in which colour, where.

`said(item)` gives five sentences that are true of a picture, as five people might have written them; one of them is what the
captioner learns in a step, and all five are the references that it is measured against. Left and right are never told.
"""

import re

import numpy as np

import captions as grammar
import generate
import looks
import words

REFERENCES = 5
OPENINGS = ["{}", "{}", "{}", "a photo of {}", "a picture of {}"]
DRAWN_OPENINGS = ["{}", "{}", "{}", "a drawing of {}", "a drawing of {}"]
PLACES = {
    "eurosat-rgb": ["a satellite photo of {}", "an aerial view of {}", "{} seen from above"],
    "aquarium": ["{} in an aquarium", "{} at the aquarium", "{} in an aquarium"],
    "grocery-store": ["{} in a grocery store", "{} in a shop", "{} at the market"],
    "openimages-vehicles": ["{} on the street", "{} on a street", "{}"],
}
NUMBERS = {1: "a", 2: "two", 3: "three", 4: "four"}
# Colours that are told of a photo's subject; of other subjects the middle of the picture tells too little.
PAINTS = {
    "clothing-small": looks.COLOURS,
    "openimages-vehicles": ("red", "orange", "yellow", "green", "blue", "black", "white"),
    "flower-photos": ("red", "yellow", "purple", "orange", "white"),
}
MASS = {"vegetation", "low vegetation", "herbaceous vegetation", "farmland"}
SIDES = re.compile(r"\b(left|right|top|bottom|centre|above|below|large|small)\b")


def several(noun: str, count: int) -> str:
    """"two fish", "many cars"; 1 gives the bare noun with its article."""
    if count == 1:
        return noun if noun in MASS else words.article(noun)
    return f"{NUMBERS.get(count, 'many')} {words.plural(noun)}"


def photo_sentences(photo, picture, rng) -> list[str]:
    names, _ = words.photo_classes()[f"{photo.dataset}/{photo.label}"]
    box, count = grammar.subject_box(photo)
    whole = photo.dataset != "oxford-pets-3"  # those boxes are of heads
    seen = looks.describe(picture, box if whole else None)
    count = count if whole and count else 1
    colour, share = max(seen["inner"].items(), key=lambda kv: kv[1])
    coloured = share > 0.5 and colour in PAINTS.get(photo.dataset, ()) and not seen["grey"]
    out = []
    for turn in range(REFERENCES):
        name = names[0] if turn < 3 else names[int(rng.integers(len(names)))].removeprefix("pair of ")
        noun = name
        if coloured and turn != 2 and not name.startswith(looks.COLOURS):
            noun = f"{colour} {name}"
        bare = words.article(name) == name
        thing = noun if bare else several(noun, count)
        if photo.dataset in PLACES:
            place = PLACES[photo.dataset]
            text = place[int(rng.integers(len(place)))].format(thing)
        else:
            text = OPENINGS[int(rng.integers(len(OPENINGS)))].format(thing)
        if seen["grey"]:
            text = f"a black and white photo of {thing}"
        for ground in ("white", "black"):
            if seen[f"{ground}_ground"] and turn != 4 and photo.dataset != "eurosat-rgb":
                text += f" on a {ground} background"
        if seen["light"] < 50 and turn % 2 and not seen["black_ground"]:
            text = f"a dark picture of {thing}"
        out.append(text)
    return out


def drawn_sentences(scene, picture, rng) -> list[str]:
    """Of a picture by lamina-media, from its title and the things in it."""
    light = looks.describe(picture)["light"]
    names = [name for name, _, _ in scene.things]
    out = []
    for turn in range(REFERENCES):
        if scene.label in generate.SHAPES:
            first, ground = scene.title.split(" on ")
            number, tint, shape = first.split(" ")
            pattern, colour = ground.split(" ")
            pattern = {"grained": "grainy"}.get(pattern, pattern)
            thing = f"{words.article(tint)} {shape}" if number == "one" else f"{number} {tint} {shape}"
            text = f"{thing} on {words.article(f'{pattern} {colour} background')}"
        elif scene.label == "mountains":
            hour = scene.title.removeprefix("mountains ")
            text = f"{['mountains', 'snowy mountains'][turn % 2]} {hour}"
            if turn == 2:
                text = f"mountains under the {'moon' if 'moon' in names else 'sun'} {hour}"
        else:
            title = scene.title
            rest = title.split(f"{scene.label} ", 1)[1]
            tint = "" if scene.label == "tree" else title.split(" ")[0]
            if scene.label == "flower":
                text = f"{'three ' if turn % 2 else ''}{tint} flowers {rest}"
            else:
                text = f"{words.article(f'{tint} {scene.label}'.strip())} {rest}"
            if scene.label in ("house", "car") and "tree" in names and turn in (1, 3):
                text = text.replace(scene.label, f"{scene.label} next to a tree", 1)
        opening = DRAWN_OPENINGS[int(rng.integers(len(DRAWN_OPENINGS)))]
        if light < 45 and "night" not in scene.title:
            opening = ["{}", "a dark drawing of {}"][turn % 2]
        elif light > 205:
            opening = ["{}", "a bright drawing of {}"][turn % 2]
        out.append(opening.format(text))
    return out


def shapes_sentences(number: int, rng) -> list[str]:
    """Of a picture by generate.py: its own captions, without places and sizes."""
    texts = [text for text, _ in generate.scene(number).captions if not SIDES.search(text)]
    texts = [text.replace("a orange", "an orange") for text in texts]
    long = [text for text in texts if len(text.split()) > 4] or texts
    return [long[int(rng.integers(len(long)))] for _ in range(REFERENCES)]


def said(item, number: int) -> list[str]:
    """Five sentences for the picture with this number in the material; the same on every run."""
    rng = np.random.default_rng([17, number])
    if item.group == "shapes":
        return shapes_sentences(item.truth, rng)
    return {"photo": photo_sentences, "drawn": drawn_sentences}[item.group](item.truth, item.picture(), rng)
