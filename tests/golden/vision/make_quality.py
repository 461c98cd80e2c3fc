"""Writes labelled boxes, invented detections for them, and the figures of pycocotools: `../detection-quality.json`.

    python make_quality.py

needs numpy and pycocotools. Boxes are in pixels, corners.
"""

import contextlib
import io
import json

import numpy as np
from packages import GOLDEN
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

WIDTH, HEIGHT = 640, 480
NAMES = ["dog", "cat", "boat", "never there"]


def box(random):
    w, h = random.uniform(20, 300), random.uniform(20, 250)
    x, y = random.uniform(0, WIDTH - w), random.uniform(0, HEIGHT - h)
    return [round(float(value), 1) for value in (x, y, w, h)]


def near(random, found):
    x, y, w, h = found
    shift = random.uniform(-0.2, 0.2, 4) * random.choice([0.2, 1.0])
    x, y = max(0, x + shift[0] * w), max(0, y + shift[1] * h)
    w, h = w * (1 + shift[2]), h * (1 + shift[3])
    return [round(float(value), 1) for value in (x, y, min(w, WIDTH - x), min(h, HEIGHT - y))]


def main():
    random = np.random.default_rng(7)
    images, truth, found = [], [], []
    for number in range(1, 41):
        images.append({"id": number, "width": WIDTH, "height": HEIGHT, "file_name": str(number)})
        for _ in range(random.integers(0, 7)):
            label, place = int(random.integers(0, 3)), box(random)
            crowd = int(random.random() < 0.12)
            truth.append({
                "id": len(truth) + 1, "image_id": number, "category_id": label, "bbox": place, "area": place[2] * place[3], "iscrowd": crowd,
            })  # fmt: skip
            for _ in range(random.integers(0, 3)):
                seen = label if random.random() < 0.85 else int(random.integers(0, 4))
                score = round(float(random.beta(4, 2)), 3)
                found.append({"image_id": number, "category_id": seen, "bbox": near(random, place), "score": score})
        for _ in range(random.integers(0, 4)):
            score = round(float(random.beta(2, 3)), 3)
            found.append({"image_id": number, "category_id": int(random.integers(0, 4)), "bbox": box(random), "score": score})
        if number == 17:
            # More detections of one class than count.
            for _ in range(130):
                found.append({"image_id": 17, "category_id": 1, "bbox": box(random), "score": round(float(random.random()), 3)})

    with contextlib.redirect_stdout(io.StringIO()):
        coco = COCO()
        coco.dataset = {"images": images, "annotations": truth, "categories": [{"id": i, "name": n} for i, n in enumerate(NAMES)]}
        coco.createIndex()
        score = COCOeval(coco, coco.loadRes(found), "bbox")
        score.evaluate()
        score.accumulate()
        score.summarize()
    precision = score.eval["precision"][:, :, :, 0, 2]
    classes = {}
    for number, name in enumerate(NAMES):
        values = precision[:, :, number]
        if (values > -1).any():
            classes[name] = float(values.mean())

    def entry(item):
        out = {"label": NAMES[item["category_id"]], "box": item["bbox"]}
        if "score" in item:
            out["score"] = item["score"]
        elif item["iscrowd"]:
            out["crowd"] = True
        return out

    pictures = [
        {
            "truth": [entry(item) for item in truth if item["image_id"] == image["id"]],
            "found": [entry(item) for item in found if item["image_id"] == image["id"]],
        }
        for image in images
    ]
    expected = {"ap": score.stats[0], "ap50": score.stats[1], "ap75": score.stats[2], "recall": score.stats[8], "classes": classes}
    print(expected)
    text = json.dumps({"width": WIDTH, "height": HEIGHT, "expected": expected, "pictures": pictures}, separators=(",", ":"))
    (GOLDEN / "detection-quality.json").write_text(text + "\n")


if __name__ == "__main__":
    main()
