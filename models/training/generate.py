"""Seedable generator of simple drawn pictures with facts that are true of them.

Two kinds. Shapes: 1-3 of circle, square, triangle, star, ring, cross in eight colours and two sizes on a plain,
gradient, striped, checked or dotted background. Scenes: house, tree, boat, car, flower, mountains or balloon by
day or by night. `scene(i)` is a pure function of the number `i`; numbers below TRAIN_FROM are held out.

    python generate.py --out DIR --count 20     # writes pictures and a captions.txt, to look at
"""

import argparse
import math
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

SEED = 20260
TRAIN_FROM = 1000  # scenes 0..999 are held out
SIZE = 224
OVER = 2  # drawn this much larger, then reduced: smooth edges

COLOURS = {
    "red": (214, 40, 40),
    "orange": (242, 140, 30),
    "yellow": (246, 218, 50),
    "green": (46, 160, 67),
    "blue": (40, 90, 214),
    "purple": (136, 60, 180),
    "black": (25, 25, 28),
    "white": (245, 245, 245),
}
SHAPES = ("circle", "square", "triangle", "star", "ring", "cross")
TEXTURES = ("plain", "gradient", "striped", "checked", "dotted")


@dataclass
class Scene:
    picture: Image.Image
    facts: set[str]  # everything that a caption may say of it
    captions: list[tuple[str, set[str]]] = field(default_factory=list)  # text, the facts it states


def jitter(rng, colour, amount=14):
    """A colour near the named one."""
    shift = rng.integers(-amount, amount + 1, 3)
    return tuple(int(min(255, max(0, c + s))) for c, s in zip(colour, shift))


def polygon(cx, cy, radii, turn):
    """Corners at the given radii, evenly spaced in angle."""
    step = 2 * math.pi / len(radii)
    return [(cx + r * math.cos(turn + k * step), cy + r * math.sin(turn + k * step)) for k, r in enumerate(radii)]


def draw_shape(draw, shape, cx, cy, r, colour, rng):
    """One shape of radius r."""
    up = -math.pi / 2
    if shape == "circle":
        draw.ellipse((cx - r, cy - r, cx + r, cy + r), fill=colour)
    elif shape == "ring":
        draw.ellipse((cx - r, cy - r, cx + r, cy + r), outline=colour, width=max(3, round(r * 0.35)))
    elif shape == "square":
        turn = math.pi / 4 + rng.uniform(-0.15, 0.15)
        draw.polygon(polygon(cx, cy, [r * 1.2] * 4, turn), fill=colour)
    elif shape == "triangle":
        draw.polygon(polygon(cx, cy, [r * 1.15] * 3, up + rng.uniform(-0.15, 0.15)), fill=colour)
    elif shape == "star":
        draw.polygon(polygon(cx, cy, [r * 1.15, r * 0.48] * 5, up), fill=colour)
    elif shape == "cross":
        arm = r * 0.36
        draw.rectangle((cx - arm, cy - r, cx + arm, cy + r), fill=colour)
        draw.rectangle((cx - r, cy - arm, cx + r, cy + arm), fill=colour)


def draw_background(rng, side, name, texture):
    """A textured square in shades of one colour."""
    base = np.array(jitter(rng, COLOURS[name]), np.float32)
    other = base * 0.72 if base.mean() > 90 else base + 45
    y, x = np.mgrid[0:side, 0:side].astype(np.float32) / side
    if texture == "plain":
        mix = np.zeros_like(x)
    elif texture == "gradient":
        mix = y if rng.random() < 0.5 else x
    elif texture == "striped":
        turn = rng.choice([0.0, 0.5, 0.25]) * math.pi
        mix = (np.sin((x * math.cos(turn) + y * math.sin(turn)) * rng.uniform(30, 70)) > 0).astype(np.float32)
    elif texture == "checked":
        n = int(rng.integers(5, 12))
        mix = ((x * n).astype(int) + (y * n).astype(int)) % 2
    else:
        n = rng.uniform(6, 12)
        mix = (((x * n) % 1 - 0.5) ** 2 + ((y * n) % 1 - 0.5) ** 2 < 0.07).astype(np.float32)
    pixels = base + (other - base) * mix[..., None]
    pixels += rng.normal(0, rng.uniform(0, 6), pixels.shape)
    return Image.fromarray(pixels.clip(0, 255).astype(np.uint8))


PLACES = {"left": (0.25, 0.5), "right": (0.75, 0.5), "top": (0.5, 0.25), "bottom": (0.5, 0.75), "centre": (0.5, 0.5)}
PHRASES = {
    "left": "on the left",
    "right": "on the right",
    "top": "at the top",
    "bottom": "at the bottom",
    "centre": "in the centre",
}


def draw_shapes(rng) -> Scene:
    """One to three coloured shapes on a background."""
    side = SIZE * OVER
    count = int(rng.choice([1, 2, 3], p=[0.5, 0.35, 0.15]))
    ground = str(rng.choice(list(COLOURS)))
    texture = str(rng.choice(TEXTURES))
    picture = draw_background(rng, side, ground, texture)
    draw = ImageDraw.Draw(picture)
    places = {1: list(PLACES), 2: None, 3: None}[count]
    if count == 1:
        where = [str(rng.choice(places))]
    elif count == 2:
        where = ["left", "right"] if rng.random() < 0.6 else ["top", "bottom"]
    else:
        where = ["left", "centre", "right"]
    things = []
    for place in where:
        colour = str(rng.choice([c for c in COLOURS if c != ground]))
        shape = str(rng.choice(SHAPES))
        size = str(rng.choice(["small", "large"]))
        x, y = PLACES[place]
        limit = 1.0 if count < 3 else 0.72
        r = side * limit * (rng.uniform(0.07, 0.1) if size == "small" else rng.uniform(0.17, 0.21))
        cx, cy = (x + rng.uniform(-0.04, 0.04)) * side, (y + rng.uniform(-0.04, 0.04)) * side
        draw_shape(draw, shape, cx, cy, r, jitter(rng, COLOURS[colour]), rng)
        things.append((colour, shape, size, place))

    back = f"{ground} background"
    facts = {"drawing", "shape", back, f"{texture} background", f"{count} shapes"}
    for colour, shape, size, place in things:
        facts |= {shape, f"{colour} {shape}", f"{size} {shape}", f"{size} {colour} {shape}", colour}
        facts |= {f"{shape} {place}", f"{colour} {shape} {place}"}
    captions = []

    def say(text, *stated):
        captions.append((text, set(stated)))

    for colour, shape, size, place in things:
        name = f"{colour} {shape}"
        say(f"a {name}", name)
        say(f"{article(shape)}", shape)
        say(f"a {size} {name}", f"{size} {name}")
        say(f"a {name} on a {back}", name, back)
        say(f"a {size} {name} on a {texture} {back}", f"{size} {name}", back, f"{texture} background")
        say(f"a {name} {PHRASES[place]}", f"{name} {place}")
        say(f"a drawing of a {name} {PHRASES[place]} of a {back}", f"{name} {place}", back)
    if count == 2:
        (c1, s1, z1, p1), (c2, s2, z2, p2) = things
        one, two = f"{c1} {s1}", f"{c2} {s2}"
        before, after = ("to the left of", "to the right of") if p1 == "left" else ("above", "below")
        order = f"{one} before {two} {p1}"
        facts.add(order)
        say(f"a {one} and a {two}", one, two, "2 shapes")
        say(f"a {two} and a {one} on a {back}", one, two, back, "2 shapes")
        say(f"a {one} {before} a {two}", order)
        say(f"a {two} {after} a {one}", order)
        say(f"a {z1} {one} and a {z2} {two}", f"{z1} {one}", f"{z2} {two}")
        say("two shapes", "2 shapes")
    if count == 3:
        names = [f"{c} {s}" for c, s, _, _ in things]
        say(f"a {names[0]}, a {names[1]} and a {names[2]}", *names)
        say(f"three shapes on a {back}", "3 shapes", back)
        say("three shapes", "3 shapes")
    say(f"a {texture} {back} with {number(count)}", back, f"{texture} background", f"{count} shapes")
    return Scene(picture.resize((SIZE, SIZE), Image.Resampling.BOX), facts, captions)


def article(noun):
    """The noun with its article."""
    return f"{'an' if noun[0] in 'aeiou' else 'a'} {noun}"


def number(count):
    """"one shape", "two shapes", ..."""
    return {1: "one shape", 2: "two shapes", 3: "three shapes"}[count]


SUBJECTS = ("house", "tree", "boat", "car", "flower", "mountains", "balloon")
PAINT = ("red", "orange", "yellow", "green", "blue", "purple", "white")


def draw_house(d, x, y, s, colour):
    roof = tuple(int(c * 0.55) for c in colour)
    d.rectangle((x - s, y - s * 1.1, x + s, y), fill=colour)
    d.polygon([(x - s * 1.25, y - s * 1.1), (x + s * 1.25, y - s * 1.1), (x, y - s * 2)], fill=roof)
    d.rectangle((x - s * 0.2, y - s * 0.6, x + s * 0.2, y), fill=(90, 60, 40))
    for side in (-0.6, 0.6):
        d.rectangle((x + s * (side - 0.2), y - s * 0.85, x + s * (side + 0.2), y - s * 0.5), fill=(250, 240, 170))


def draw_tree(d, x, y, s, colour):
    d.rectangle((x - s * 0.15, y - s, x + s * 0.15, y), fill=(105, 70, 40))
    for dx, dy, r in ((0, -1.7, 0.75), (-0.5, -1.3, 0.6), (0.5, -1.3, 0.6)):
        d.ellipse((x + s * (dx - r), y + s * (dy - r), x + s * (dx + r), y + s * (dy + r)), fill=colour)


def draw_boat(d, x, y, s, colour):
    d.polygon([(x - s * 1.3, y - s * 0.5), (x + s * 1.3, y - s * 0.5), (x + s * 0.8, y), (x - s * 0.8, y)], fill=colour)
    d.rectangle((x - s * 0.06, y - s * 2.1, x + s * 0.06, y - s * 0.5), fill=(90, 60, 40))
    d.polygon([(x + s * 0.1, y - s * 2), (x + s * 0.1, y - s * 0.65), (x + s * 1.05, y - s * 0.65)], fill=(250, 250, 245))


def draw_car(d, x, y, s, colour):
    d.rounded_rectangle((x - s * 1.5, y - s * 0.85, x + s * 1.5, y - s * 0.2), radius=s * 0.2, fill=colour)
    d.polygon([(x - s, y - s * 0.8), (x - s * 0.6, y - s * 1.35), (x + s * 0.5, y - s * 1.35), (x + s, y - s * 0.8)], fill=colour)
    d.polygon([(x - s * 0.75, y - s * 0.8), (x - s * 0.5, y - s * 1.22), (x + s * 0.4, y - s * 1.22), (x + s * 0.7, y - s * 0.8)], fill=(190, 220, 240))
    for side in (-0.9, 0.9):
        cx, cy, r = x + s * side, y - s * 0.2, s * 0.32
        d.ellipse((cx - r, cy - r, cx + r, cy + r), fill=(30, 30, 30))
        d.ellipse((cx - r / 2, cy - r / 2, cx + r / 2, cy + r / 2), fill=(170, 170, 170))


def draw_flower(d, x, y, s, colour):
    d.rectangle((x - s * 0.07, y - s * 1.6, x + s * 0.07, y), fill=(40, 130, 50))
    d.ellipse((x, y - s * 0.7, x + s * 0.6, y - s * 0.4), fill=(40, 130, 50))
    for px, py in polygon(x, y - s * 1.7, [s * 0.5] * 6, 0.2):
        d.ellipse((px - s * 0.33, py - s * 0.33, px + s * 0.33, py + s * 0.33), fill=colour)
    d.ellipse((x - s * 0.3, y - s * 2, x + s * 0.3, y - s * 1.4), fill=(240, 200, 60))


def draw_balloon(d, x, y, s, colour):
    y -= s * 1.6
    d.ellipse((x - s, y - s, x + s, y + s), fill=colour)
    d.polygon([(x - s * 0.7, y + s * 0.7), (x + s * 0.7, y + s * 0.7), (x, y + s * 1.4)], fill=colour)
    d.rectangle((x - s * 0.25, y + s * 1.4, x + s * 0.25, y + s * 1.75), fill=(120, 80, 40))


def draw_mountains(d, x, y, s, colour):
    side = SIZE * OVER
    for dx, h in ((-0.32, 1.0), (0.3, 0.8), (0.0, 1.25)):
        top, half = y - s * 2.2 * h, s * 1.9
        cx = side / 2 + dx * side
        d.polygon([(cx - half, y), (cx + half, y), (cx, top)], fill=colour)
        d.polygon([(cx - half * 0.25, top + (y - top) * 0.25), (cx + half * 0.25, top + (y - top) * 0.25), (cx, top)], fill=(245, 248, 252))


DRAWERS = {
    "house": draw_house,
    "tree": draw_tree,
    "boat": draw_boat,
    "car": draw_car,
    "flower": draw_flower,
    "balloon": draw_balloon,
    "mountains": draw_mountains,
}
GROUNDS = {"boat": "water", "car": "road"}


def draw_place(rng) -> Scene:
    """A drawn scene: sky, ground and one or two things, by day or by night."""
    side = SIZE * OVER
    night = bool(rng.random() < 0.35)
    subject = str(rng.choice(SUBJECTS))
    ground = GROUNDS.get(subject) or str(rng.choice(["grass", "sand", "snow"]))
    sky = (22, 26, 62) if night else (140, 200, 245)
    picture = Image.new("RGB", (side, side), jitter(rng, sky))
    d = ImageDraw.Draw(picture)
    horizon = side * rng.uniform(0.52, 0.68)
    shade = {"grass": (90, 170, 80), "sand": (230, 205, 140), "snow": (238, 243, 248), "water": (50, 110, 190), "road": (95, 160, 85)}[ground]
    if night:
        shade = tuple(int(c * 0.45) for c in shade)
        for _ in range(int(rng.integers(10, 40))):
            sx, sy = rng.uniform(0, side), rng.uniform(0, horizon)
            d.ellipse((sx - 2, sy - 2, sx + 2, sy + 2), fill=(250, 250, 220))
    facts = {"drawing", "scene", "night" if night else "day", ground}
    light = None
    if rng.random() < 0.6:
        light = "moon" if night else "sun"
        lx, ly, lr = side * rng.choice([0.17, 0.83]), side * rng.uniform(0.13, 0.2), side * rng.uniform(0.06, 0.1)
        d.ellipse((lx - lr, ly - lr, lx + lr, ly + lr), fill=(240, 240, 225) if night else (255, 215, 50))
        facts.add(light)
    cloudy = not night and rng.random() < 0.35
    if cloudy:
        for _ in range(3):
            cx, cy = rng.uniform(0.2, 0.8) * side, rng.uniform(0.1, 0.3) * side
            for k in range(3):
                r = side * 0.05
                d.ellipse((cx + (k - 1) * r - r, cy - r, cx + (k - 1) * r + r, cy + r), fill=(252, 252, 252))
        facts.add("clouds")
    if subject == "mountains":
        draw_mountains(d, side / 2, horizon + 4, side * 0.2, jitter(rng, (105, 105, 125) if not night else (55, 55, 80)))
    d.rectangle((0, horizon, side, side), fill=jitter(rng, shade))
    foot = side * rng.uniform(0.82, 0.9)
    if ground == "road":
        d.rectangle((0, foot - side * 0.09, side, foot + side * 0.08), fill=(70, 70, 74))
        for k in range(6):
            d.rectangle((side * k / 6, foot + side * 0.02, side * (k / 6 + 0.08), foot + side * 0.03), fill=(235, 235, 220))
    if ground == "water":
        for k in range(7):
            wy = horizon + (side - horizon) * (k + 1) / 8
            d.line([(side * j / 12, wy + (4 if j % 2 else -4)) for j in range(13)], fill=tuple(min(255, c + 30) for c in shade), width=3)
    place = str(rng.choice(["left", "right", "centre"]))
    x = side * ({"left": 0.27, "right": 0.73, "centre": 0.5}[place] + rng.uniform(-0.05, 0.05))
    colour = "green" if subject == "tree" else str(rng.choice(PAINT))
    thing = subject
    if subject != "mountains":
        paint = jitter(rng, COLOURS[colour])
        if night:
            paint = tuple(int(c * 0.75) for c in paint)
        y = horizon * rng.uniform(0.75, 0.95) if subject == "balloon" else foot
        DRAWERS[subject](d, x, y, side * rng.uniform(0.11, 0.15), paint)
        facts |= {f"{subject} {place}", f"{colour} {subject}", colour}
        if subject not in ("tree",):
            thing = f"{colour} {subject}"
    facts |= {subject, thing}
    beside = None
    if subject in ("house", "car", "flower") and rng.random() < 0.4:
        beside = "tree"
        tx = x + side * 0.36 * (1 if x < side / 2 else -1)
        draw_tree(d, tx, horizon + side * 0.06 if subject == "car" else foot, side * 0.1, jitter(rng, (46, 130, 60)))
        facts.add("tree")
    return Scene(picture.resize((SIZE, SIZE), Image.Resampling.BOX), facts, place_captions(subject, thing, ground, place, night, light, cloudy, beside))


def place_captions(subject, thing, ground, place, night, light, cloudy, beside):
    """What may be said of a drawn scene."""
    time = "night" if night else "day"
    where = {"water": "on the water", "road": "on a road", "grass": "on green grass", "sand": "on sand", "snow": "in the snow"}[ground]
    if subject == "balloon":
        where = {"grass": "over a meadow", "sand": "over the desert", "snow": "over the snow"}[ground]
    one = subject if subject == "mountains" else f"a {subject}"
    painted = thing if subject == "mountains" else f"a {thing}"
    out = [
        (one, {subject}),
        (painted, {thing}),
        (f"a drawing of {painted}", {thing, "drawing"}),
        (f"{painted} {where}", {thing, ground}),
        (f"{painted} {where} at night" if night else f"{painted} {where} during the day", {thing, ground, time}),
        (f"{one} at night" if night else f"{one} by day", {subject, time}),
        (f"a simple drawing of {one} {where}", {subject, ground, "drawing"}),
    ]
    if subject != "mountains":
        out.append((f"{painted} {PHRASES[place]}", {thing, f"{subject} {place}"}))
    if light:
        out.append((f"{painted} under the {light}", {thing, light}))
        out.append((f"a drawing of {one} {where} and the {light}", {subject, ground, light, "drawing"}))
    if cloudy:
        out.append((f"{painted} under a sky with clouds", {thing, "clouds"}))
    if beside:
        out.append((f"{painted} next to a tree", {thing, "tree"}))
        out.append((f"{one} and a tree {where}", {subject, "tree", ground}))
    return out


def scene(index: int) -> Scene:
    """The picture with this number."""
    rng = np.random.default_rng([SEED, index])
    return draw_shapes(rng) if rng.random() < 0.6 else draw_place(rng)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--count", type=int, default=20)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    with open(options.out / "captions.txt", "w") as text:
        for i in range(options.count):
            made = scene(i)
            made.picture.save(options.out / f"{i:05}.png")
            text.writelines(f"{i:05}\t{caption}\n" for caption, _ in made.captions)


if __name__ == "__main__":
    main()
