"""Pictures of the model's size with their boxes in pixels: plain, changed, and four in one."""

import numpy as np
from PIL import Image, ImageEnhance, ImageOps

SIDE = 320
PAD = 114


def letterbox(picture: Image.Image) -> tuple[Image.Image, float]:
    """Scaled to fit SIDE x SIDE (bilinear, sides rounded down as in YOLOX) at the top left, the rest grey; and the scale."""
    ratio = min(SIDE / picture.width, SIDE / picture.height)
    size = max(1, int(picture.width * ratio)), max(1, int(picture.height * ratio))
    out = Image.new("RGB", (SIDE, SIDE), (PAD, PAD, PAD))
    out.paste(picture.resize(size, Image.Resampling.BILINEAR), (0, 0))
    return out, ratio


def kept(boxes: np.ndarray, window, scale_x: float, scale_y: float, limits) -> np.ndarray:
    """Boxes [n,5] (class, corners in pixels) after cutting `window` out and scaling it; those mostly outside are dropped."""
    x0, y0, x1, y1 = window
    if not len(boxes):
        return boxes
    inner = boxes.copy()
    inner[:, [1, 3]] = (inner[:, [1, 3]].clip(x0, x1) - x0) * scale_x
    inner[:, [2, 4]] = (inner[:, [2, 4]].clip(y0, y1) - y0) * scale_y
    inner[:, [1, 3]] = inner[:, [1, 3]].clip(0, limits[0])
    inner[:, [2, 4]] = inner[:, [2, 4]].clip(0, limits[1])
    before = (boxes[:, 3] - boxes[:, 1]) * (boxes[:, 4] - boxes[:, 2]) * scale_x * scale_y
    sides = inner[:, 3] - inner[:, 1], inner[:, 4] - inner[:, 2]
    good = (sides[0] * sides[1] > 0.4 * before) & (sides[0] > 4) & (sides[1] > 4)
    return inner[good]


def opened(item) -> tuple[Image.Image, np.ndarray]:
    """The picture and its boxes in pixels."""
    picture = Image.open(item.path).convert("RGB")
    size = np.array([1, picture.width, picture.height, picture.width, picture.height], np.float32)
    return picture, np.array(item.boxes, np.float32).reshape(-1, 5) * size


def recoloured(picture, rng):
    for change in (ImageEnhance.Color, ImageEnhance.Brightness, ImageEnhance.Contrast):
        picture = change(picture).enhance(rng.uniform(0.7, 1.35))
    return picture


def cut(picture, boxes, rng, smallest=0.5):
    """Perhaps mirrored, a window cut out, perhaps stretched a little."""
    if rng.random() < 0.5:
        picture = ImageOps.mirror(picture)
        boxes = boxes.copy()
        boxes[:, [1, 3]] = picture.width - boxes[:, [3, 1]]
    keep = rng.uniform(smallest, 1.0, 2) ** 0.7
    w, h = picture.width * keep[0], picture.height * keep[1]
    if len(boxes):  # round one of the boxes, so that something is left
        box = boxes[rng.integers(len(boxes))]
        middle = (box[1] + box[3]) / 2 + rng.normal(0, 0.2) * w, (box[2] + box[4]) / 2 + rng.normal(0, 0.2) * h
    else:
        middle = rng.uniform(0, picture.width), rng.uniform(0, picture.height)
    x = float(np.clip(middle[0] - w / 2, 0, picture.width - w))
    y = float(np.clip(middle[1] - h / 2, 0, picture.height - h))
    window = round(x), round(y), round(x + w), round(y + h)
    cropped = picture.crop(window)
    boxes = kept(boxes, window, 1, 1, cropped.size)
    return recoloured(cropped, rng), boxes


def plain(item):
    picture, boxes = opened(item)
    out, ratio = letterbox(picture)
    return out, boxes * np.array([1, ratio, ratio, ratio, ratio], np.float32)


def changed(item, rng):
    """One picture, cut and recoloured, now and then smaller than the frame and not at the top left."""
    picture, boxes = cut(*opened(item), rng)
    ratio = min(SIDE / picture.width, SIDE / picture.height)
    if rng.random() < 0.4:
        ratio *= rng.uniform(0.45, 1.0)
    stretch = rng.uniform(0.85, 1.0, 2)
    size = max(8, round(picture.width * ratio * stretch[0])), max(8, round(picture.height * ratio * stretch[1]))
    at = [int(rng.integers(0, SIDE - side + 1)) if rng.random() < 0.5 else 0 for side in size]
    out = Image.new("RGB", (SIDE, SIDE), (PAD, PAD, PAD))
    out.paste(picture.resize(size, Image.Resampling.BILINEAR), tuple(at))
    scale = np.array([1, size[0] / picture.width, size[1] / picture.height] * 2, np.float32)[[0, 1, 2, 4, 5]]
    return out, boxes * scale + np.array([0, *at, *at], np.float32)


def mosaic(items, rng):
    """Four pictures around a point."""
    x, y = (int(v) for v in rng.integers(int(SIDE * 0.3), int(SIDE * 0.7), 2))
    out = Image.new("RGB", (SIDE, SIDE), (PAD, PAD, PAD))
    every = []
    for item, (x0, y0, x1, y1) in zip(items, ((0, 0, x, y), (x, 0, SIDE, y), (0, y, x, SIDE), (x, y, SIDE, SIDE))):
        picture, boxes = cut(*opened(item), rng, 0.7)
        w, h = x1 - x0, y1 - y0
        if rng.random() < 0.5:  # fit inside, else fill
            ratio = min(w / picture.width, h / picture.height)
        else:
            ratio = max(w / picture.width, h / picture.height) * rng.uniform(0.8, 1.0)
        size = max(4, round(picture.width * ratio)), max(4, round(picture.height * ratio))
        shown = picture.resize(size, Image.Resampling.BILINEAR).crop((0, 0, min(w, size[0]), min(h, size[1])))
        out.paste(shown, (x0, y0))
        window = (0, 0, min(picture.width, w / ratio), min(picture.height, h / ratio))
        boxes = kept(boxes, window, ratio, ratio, (w, h))
        every.append(boxes + np.array([0, x0, y0, x0, y0], np.float32))
    return out, np.concatenate(every)
