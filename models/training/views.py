"""Augmented views of a picture: what a photo must still be recognised under."""

import io

import numpy as np
from PIL import Image, ImageEnhance, ImageFilter, ImageOps


def fit(picture: Image.Image, side: int) -> np.ndarray:
    """Stretch to the model's input (bilinear, antialiased), uint8 [side,side,3]."""
    small = picture.resize((side, side), Image.Resampling.BILINEAR)
    return np.asarray(small.convert("RGB"))


def recompress(picture: Image.Image, quality: int) -> Image.Image:
    """Write as JPEG and read back."""
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=quality)
    return Image.open(io.BytesIO(buffer.getvalue())).convert("RGB")


def scale(picture: Image.Image, factor: float) -> Image.Image:
    """Resize by a factor, keeping at least 24 pixels a side."""
    size = [max(24, round(side * factor)) for side in picture.size]
    return picture.resize(size, Image.Resampling.BILINEAR)


def crop(picture: Image.Image, keep: float, rng: np.random.Generator) -> Image.Image:
    """Cut a window that keeps the fraction `keep` of each side."""
    width, height = picture.size
    w, h = max(16, round(width * keep)), max(16, round(height * keep))
    x, y = int(rng.integers(0, width - w + 1)), int(rng.integers(0, height - h + 1))
    return picture.crop((x, y, x + w, y + h))


def halved(picture: Image.Image) -> Image.Image:
    """Half the size, JPEG quality 70."""
    return recompress(scale(picture, 0.5), 70)


def near_copy(picture: Image.Image, rng: np.random.Generator) -> Image.Image:
    """One or two light edits: crop of 2-4 %, brightness, blur, resize, JPEG."""
    edits = rng.choice(5, size=int(rng.integers(1, 3)), replace=False)
    if 0 in edits:
        picture = crop(picture, 1.0 - rng.uniform(0.02, 0.05), rng)
    if 1 in edits:
        picture = ImageEnhance.Brightness(picture).enhance(rng.uniform(0.75, 1.3))
    if 2 in edits:
        picture = picture.filter(ImageFilter.GaussianBlur(rng.uniform(0.4, 1.4)))
    if 3 in edits:
        picture = scale(picture, rng.uniform(0.4, 0.8))
    return recompress(picture, int(rng.integers(50, 92)))


def strong(picture: Image.Image, rng: np.random.Generator) -> Image.Image:
    """Larger crop, colour change, perhaps mirrored."""
    picture = crop(picture, rng.uniform(0.7, 0.92), rng)
    picture = ImageEnhance.Color(picture).enhance(rng.uniform(0.6, 1.4))
    picture = ImageEnhance.Brightness(picture).enhance(rng.uniform(0.7, 1.3))
    return ImageOps.mirror(picture) if rng.random() < 0.5 else picture


PHOTO_VIEWS = ("plain", "near", "flip", "near", "halved", "strong")
SCENE_VIEWS = ("plain", "near", "flip")
# Made for test pictures only: the copies on which duplicates are measured.
TEST_VIEWS = ("plain", "flip", "halved", "recompressed", "brighter", "cropped", "blurred")


def make(kind: str, picture: Image.Image, rng: np.random.Generator) -> Image.Image:
    """The view called `kind` of a picture."""
    match kind:
        case "plain":
            return picture
        case "flip":
            return ImageOps.mirror(picture)
        case "halved":
            return halved(picture)
        case "near":
            return near_copy(picture, rng)
        case "strong":
            return strong(picture, rng)
        case "recompressed":
            return recompress(picture, 60)
        case "brighter":
            return recompress(ImageEnhance.Brightness(picture).enhance(1.2), 85)
        case "cropped":
            return recompress(crop(picture, 1.0 - rng.uniform(0.02, 0.04), rng), 85)
        case "blurred":
            return recompress(picture.filter(ImageFilter.GaussianBlur(1.0)), 85)
    raise ValueError(kind)
