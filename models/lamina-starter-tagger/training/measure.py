"""Figures of the written tagger beside those of trivial answers, as JSON.

    python measure.py --package DIR --photos DIR --scenes DIR [--coco DIR] [--show DIR]

COCO's photos are measured only: nothing was trained or chosen on them.
"""

import argparse
import json
import time
from collections import Counter
from pathlib import Path

import numpy as np
from PIL import Image

import grid
import material
import mobilenet
import tags as vocabulary
import views
from train import targets

# COCO's names of categories that have a tag of another name.
COCO = {"dining table": "table", "cell phone": "cellphone", "tv": "television", "motorcycle": "motorbike", "sports ball": "ball", "potted plant": "plant"}


class Package:
    def __init__(self, folder: Path):
        self.session = mobilenet.session(folder / "model.onnx")
        self.labels = (folder / "labels.txt").read_text().splitlines()
        self.limits = np.array([float(v) for v in (folder / "thresholds.txt").read_text().split()])

    def scores(self, pictures) -> np.ndarray:
        rows, waiting = [], []
        for picture in pictures:
            waiting.append(views.fit(picture, grid.SIDE))
            if len(waiting) == 8:
                rows.append(self.run(waiting))
                waiting = []
        if waiting:
            rows.append(self.run(waiting))
        return np.concatenate(rows)

    def run(self, stack) -> np.ndarray:
        logits = self.session.run(None, {"pixel_values": mobilenet.normalised(np.stack(stack))})[0]
        return 1 / (1 + np.exp(-logits))


def precision_recall(said, true, known) -> dict:
    hits = (said & (true > 0) & (known > 0)).sum()
    precision = hits / max(1, (said & (known > 0)).sum())
    recall = hits / max(1, ((true > 0) & (known > 0)).sum())
    return {"precision": round(float(precision), 3), "recall": round(float(recall), 3), "f1": round(float(2 * precision * recall / max(1e-9, precision + recall)), 3)}


def average_precision(scores, true) -> float:
    order = np.argsort(-scores)
    hits = np.cumsum(true[order])
    return float((hits / (np.arange(len(order)) + 1))[true[order] > 0].mean())


def mean_ap(scores, true, known, least=3) -> dict:
    found, chance = [], []
    for t in range(true.shape[1]):
        rows = known[:, t] > 0
        if true[rows, t].sum() >= least:
            found.append(average_precision(scores[rows, t], true[rows, t]))
            chance.append(true[rows, t].mean())
    return {"tags": len(found), "mean_ap": round(float(np.mean(found)), 3), "chance": round(float(np.mean(chance)), 3)}


def baseline(true, known, frequent) -> dict:
    """What always answering with the same `frequent` tags gives."""
    said = np.zeros(true.shape, bool)
    said[:, frequent] = True
    return precision_recall(said, true, known)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("package", "photos", "scenes"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    parser.add_argument("--coco", type=Path)
    parser.add_argument("--show", type=Path)
    options = parser.parse_args()
    package = Package(options.package)
    if options.show:
        for path in sorted(options.show.iterdir()):
            if path.suffix in (".jpg", ".png"):
                row = package.scores([Image.open(path).convert("RGB")])[0]
                best = [t for t in np.argsort(-row) if row[t] >= package.limits[t]][:10]
                print(path.name, ", ".join(f"{package.labels[t]} {row[t]:.2f}" for t in best))
        return
    every = material.items(options.photos, options.scenes)
    classes = vocabulary.words.photo_classes()
    tags = package.labels
    names = sorted({n[0] for n, _ in classes.values()})
    trained = vocabulary.trained(tags, names)
    report = {}
    own = [tags.index(classes[f"{i.truth.dataset}/{i.truth.label}"][0][0]) for i in every if i.group == "photo" and not i.test]
    majority = Counter(own).most_common(1)[0][0]
    for group in ("photo", "drawn", "shapes"):
        items = [i for i in every if i.test and i.group == group]
        started = time.process_time()
        scores = package.scores(i.picture() for i in items)
        true, known = targets(items, tags, trained)
        part = scores[:, :trained]
        said = part >= package.limits[:trained]
        frequent = np.argsort(-true.sum(0))[: max(1, round(true.sum(1).mean()))]
        report[group] = {
            "pictures": len(items),
            "tags_of_a_picture": round(float(true.sum(1).mean()), 2),
            "said_of_a_picture": round(float((scores >= package.limits).sum(1).mean()), 2),
            "at_thresholds": precision_recall(said, true, known),
            "baseline_most_frequent_tags": baseline(true, known, frequent),
            **mean_ap(part, true, known),
            "milliseconds_a_picture_with_decoding": round(1000 * (time.process_time() - started) / len(items), 1),
        }
        if group == "photo":
            kinds = np.array([tags.index(classes[f"{i.truth.dataset}/{i.truth.label}"][0][0]) for i in items])
            order = np.argsort(-scores[:, : len(names)], 1)
            report[group]["top1"] = round(float((order[:, 0] == kinds).mean()), 3)
            report[group]["top5"] = round(float((order[:, :5] == kinds[:, None]).any(1).mean()), 3)
            report[group]["top1_majority_class"] = round(float((kinds == majority).mean()), 3)
            sets = np.array([i.truth.dataset for i in items])
            report[group]["top1_by_set"] = {s: round(float((order[sets == s, 0] == kinds[sets == s]).mean()), 3) for s in sorted(set(sets))}
    if options.coco:
        truth = json.loads((options.coco / "instances.json").read_text())
        number = {c["id"]: COCO.get(c["name"], c["name"]) for c in truth["categories"]}
        images = truth["images"]
        scores = package.scores(Image.open(options.coco / "images" / i["file_name"]).convert("RGB") for i in images)
        place = {i["id"]: n for n, i in enumerate(images)}
        true = np.zeros((len(images), len(tags)), np.float32)
        for a in truth["annotations"]:
            if number[a["category_id"]] in tags:
                true[place[a["image_id"]], tags.index(number[a["category_id"]])] = 1
        rows = true.sum(1) > 0
        some = np.flatnonzero(true.sum(0) > 0)
        known = np.ones_like(true)
        said = scores[rows][:, some] >= package.limits[some]
        report["coco"] = {
            "pictures": int(rows.sum()),
            "categories": [tags[t] for t in some],
            "at_thresholds": precision_recall(said, true[rows][:, some], known[rows][:, some]),
            "baseline_most_frequent_tags": baseline(true[rows][:, some], known[rows][:, some], np.argsort(-true[:, some].sum(0))[:2]),
            **mean_ap(scores[rows][:, some], true[rows][:, some], known[rows][:, some], 1),
        }
    print(json.dumps(report, indent=1))


if __name__ == "__main__":
    main()
