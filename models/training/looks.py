"""Simple visual facts of a photo, from its pixels: colours, brightness, plain background."""

import numpy as np
from PIL import Image

HUES = (("red", 0, 12), ("orange", 12, 40), ("yellow", 40, 68), ("green", 68, 165), ("blue", 165, 258), ("purple", 258, 320), ("red", 320, 361))
COLOURS = ("red", "orange", "yellow", "green", "blue", "purple", "brown", "black", "white", "grey")


def colour_shares(pixels: np.ndarray) -> dict[str, float]:
    """Share of the pixels [n,3] that has each colour name."""
    rgb = pixels.astype(np.float32) / 255.0
    high, low = rgb.max(1), rgb.min(1)
    spread = high - low
    safe = np.where(spread > 0, spread, 1)
    r, g, b = rgb.T
    hue = np.where(high == r, (g - b) / safe % 6, np.where(high == g, (b - r) / safe + 2, (r - g) / safe + 4)) * 60
    saturation = spread / np.where(high > 0, high, 1)
    dark, pale = high < 0.2, saturation < 0.2
    coloured = ~dark & ~pale
    shares = {
        "black": float(dark.mean()),
        "white": float((pale & ~dark & (high > 0.8)).mean()),
        "grey": float((pale & ~dark & (high <= 0.8)).mean()),
    }
    brown = coloured & (hue >= 8) & (hue < 45) & (high < 0.6)
    shares["brown"] = float(brown.mean())
    for name, start, end in HUES:
        part = coloured & ~brown & (hue >= start) & (hue < end)
        shares[name] = shares.get(name, 0.0) + float(part.mean())
    return shares


def describe(picture: Image.Image, box=None) -> dict:
    """Brightness, greyness, background and the colours in a box (fractions) or in the middle."""
    small = np.asarray(picture.convert("RGB").resize((48, 48), Image.Resampling.BILINEAR))
    luma = small.astype(np.float32) @ np.array([0.299, 0.587, 0.114], np.float32)
    x0, y0, x1, y1 = box or (0.25, 0.25, 0.75, 0.75)
    inner = small[int(y0 * 48) : max(int(y0 * 48) + 2, int(y1 * 48)), int(x0 * 48) : max(int(x0 * 48) + 2, int(x1 * 48))]
    edge = np.concatenate([small[:2].reshape(-1, 3), small[-2:].reshape(-1, 3), small[:, :2].reshape(-1, 3), small[:, -2:].reshape(-1, 3)])
    return {
        "light": float(luma.mean()),
        "grey": float(small.astype(np.float32).std(axis=2).mean()) < 2.5,
        "white_ground": float((edge.min(1) > 235).mean()) > 0.85,
        "black_ground": float((edge.max(1) < 30).mean()) > 0.85,
        "inner": colour_shares(inner.reshape(-1, 3)),
        "whole": colour_shares(small.reshape(-1, 3)),
    }
