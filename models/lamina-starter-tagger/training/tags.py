"""The tags, and which of them are true of a training picture.

Three kinds: the names of the photo classes, wider and visual words that the captions' grammar finds true (`captions.py`, drawn
scenes), and words that stand for groups of ImageNet classes and have no photo of their own here (`imagenet_groups.txt`).
"""

import numpy as np

import captions as grammar
import generate
import looks
import words

# Too vague, or true of most pictures without anybody having said so.
LEFT_OUT = {
    "object", "land", "man", "woman", "people", "symbol", "organ", "shell", "candles", "money", "street", "puppy", "kitten", "time",
    "sport", "dish", "fungus", "bug", "architecture", "plate", "photo", "shape", "scene", "room", "landscape", "railway", "store",
    "market", "plane", "tv", "bike", "motorbike", "apples", "shoes", "telephone", "sofa", "stove", "cattle", "mountain", "vegetable",
    "intersection", "baseball game", "wedding", "skiing", "light", "drink", "fence", "trash", "cart", "diver", "coast", "winter", "field",
    "sky", "glasses", "wild cat", "living room", "desk", "luggage", "restaurant", "balloon", "zoo", "wildlife",
}  # fmt: skip
VISUAL = ("drawing", "satellite photo", "dark", "bright", "black and white", "white background", "black background")
DRAWN = ("circle", "square", "triangle", "star", "ring", "cross", "house", "tree", "boat", "car", "flower", "balloon", "mountains", "sun", "moon")
PLACES = {"in a meadow": "grass", "on sand": "sand", "in the snow": "snow", "on the water": "water", "on a road": "road"}
HOURS = {"by day": "day", "at sunset": "sunset", "at night": "night"}
PATTERNS = ("striped", "checked", "dotted")
COLOURS = tuple(c for c in looks.COLOURS if c in generate.COLOURS)  # of drawn things, and of whole photos
SAME = {"satellite": "satellite photo"}


def colours_of(picture) -> tuple[set[str], set[str]]:
    """Colours that much of a picture has, and those that some of it has."""
    small = np.asarray(picture.resize((48, 48)).convert("RGB")).reshape(-1, 3)
    shares = {name: share for name, share in looks.colour_shares(small).items() if name in COLOURS}
    return {c for c, share in shares.items() if share > 0.4}, {c for c, share in shares.items() if 0.06 < share <= 0.4}


def photo_facts(photo) -> tuple[set[str], set[str]]:
    """Tags true of a photo, and tags that may be."""
    names, wider = words.photo_classes()[f"{photo.dataset}/{photo.label}"]
    described = grammar.photo_captions(photo, names, wider)
    true = {SAME.get(f, f) for f in described.facts}
    # The captions' grammar leaves these open in every photo; here they are known.
    return true, described.perhaps - {"white background", "black background"} - set(COLOURS)


def drawn_facts(scene) -> tuple[set[str], set[str]]:
    """The same for a picture drawn by lamina-media."""
    true = {"drawing", *(name for name, _, _ in scene.things)}
    true |= {tint for name, tint, _ in scene.things if tint and name != "mountains"}
    true |= {tag for phrase, tag in (PLACES | HOURS).items() if phrase in scene.title}
    perhaps = {"dark", "bright", "plant", "vehicle", "building", "trees", "black and white"}
    ground = scene.title.rpartition(" on ")[2].split(" ")
    if scene.label in generate.SHAPES:
        true |= {ground[1]} | ({ground[0]} & set(PATTERNS))
        perhaps |= {f"{ground[1]} background"}
    elif scene.label == "mountains":
        perhaps |= set(PLACES.values())
    elif "on a road" in scene.title:
        true.add("grass")
    return true, perhaps


def shapes_facts(number: int) -> tuple[set[str], set[str]]:
    """The same for a picture of generate.py."""
    facts = generate.scene(number).facts
    true = {f.removesuffix(" background") for f in facts}
    return true | {"drawing"}, {"dark", "bright", "white background", "black background", "plant", "vehicle", "building", "trees", "sunset", "grass"}


def facts_of(item) -> tuple[set[str], set[str]]:
    """Tags true of a picture, and tags that may be; all others are not."""
    true, perhaps = {"photo": photo_facts, "drawn": drawn_facts, "shapes": shapes_facts}[item.group](item.truth)
    much, some = colours_of(item.picture())
    return true | much, perhaps | (some - true)


def vocabulary(imagenet_labels) -> tuple[list[str], list[str], np.ndarray]:
    """All tags, the class names among them, and the groups of ImageNet classes [1001, tags] (0 where there is none)."""
    classes = words.photo_classes()
    names = sorted({n[0] for n, _ in classes.values()})
    wider = {w for _, ws in classes.values() for w in ws}
    wider |= {*VISUAL, *DRAWN, *PLACES.values(), *HOURS.values(), *PATTERNS, *COLOURS}
    grouped = words.imagenet_classes(imagenet_labels)
    groups = {w for _, ws in grouped for w in ws}
    tags = names + sorted((wider - LEFT_OUT | set(DRAWN)) - set(names))
    tags += sorted(groups - LEFT_OUT - set(tags) - wider)
    place = {tag: i for i, tag in enumerate(tags)}
    member = np.zeros((len(grouped), len(tags)), np.float32)
    for c, (own, ws) in enumerate(grouped):
        for word in {*own, *ws} if c else ():
            if word in place and word not in ("balloon", "person"):
                member[c, place[word]] = 1
    return tags, names, member


def trained(tags, names) -> int:
    """How many of the tags, from the first one, have pictures of their own."""
    classes = words.photo_classes()
    own = {*names, *(w for _, ws in classes.values() for w in ws), *VISUAL, *DRAWN, *PLACES.values(), *HOURS.values(), *PATTERNS, *COLOURS}
    return sum(tag in own for tag in tags)
