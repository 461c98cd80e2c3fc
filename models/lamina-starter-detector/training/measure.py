"""Figures of the written detector beside those of a trivial one, as JSON.

    python measure.py --package DIR --photos DIR --scenes DIR [--coco DIR]
    python measure.py --package DIR --photos DIR --scenes DIR --show DIR --to FILE.png   # to look at

AP is that of COCO: 101 recall points, IoU 0.5 to 0.95, mean over the classes that occur. The trivial detector answers every
picture with the mean box of each class of the training pictures, the most frequent class first. COCO's photos are measured only: nothing was
trained or chosen on them.
"""

import argparse
import json
import time
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

import boxes as known
import mobilenet
import pictures

STRIDES = (8, 16, 32)
LEVELS = np.arange(0.5, 0.96, 0.05)

def overlaps(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Intersection over union of corners [n,4] and [m,4]."""
    low, high = np.maximum(a[:, None, :2], b[None, :, :2]), np.minimum(a[:, None, 2:], b[None, :, 2:])
    inner = (high - low).clip(0).prod(-1)
    return inner / ((a[:, 2:] - a[:, :2]).prod(-1)[:, None] + (b[:, 2:] - b[:, :2]).prod(-1)[None] - inner).clip(1e-9)


def suppress(boxes, scores, classes, limit) -> np.ndarray:
    """Rows kept by class-wise non-maximum suppression, best first."""
    order = np.argsort(-scores, kind="stable")
    kept = []
    while len(order):
        first, rest = order[0], order[1:]
        kept.append(first)
        same = classes[rest] == classes[first]
        order = rest[~(same & (overlaps(boxes[first : first + 1], boxes[rest])[0] > limit))]
    return np.array(kept, int)


class Package:
    def __init__(self, folder: Path):
        self.session = mobilenet.session(folder / "model.onnx")
        self.labels = (folder / "labels.txt").read_text().splitlines()
        grids, strides = [], []
        for stride in STRIDES:
            n = pictures.SIDE // stride
            y, x = np.mgrid[0:n, 0:n]
            grids.append(np.stack([x, y], -1).reshape(-1, 2))
            strides.append(np.full((n * n, 1), stride))
        self.grid, self.strides = np.concatenate(grids), np.concatenate(strides)
        self.seconds, self.count = 0.0, 0

    def raw(self, picture) -> tuple[np.ndarray, float]:
        """Output [cells, 5 + classes] and the scale of the letterbox."""
        framed, ratio = pictures.letterbox(picture)
        pixels = np.asarray(framed)[..., ::-1].transpose(2, 0, 1)[None].astype(np.float32)
        started = time.process_time()
        out = self.session.run(None, {"images": np.ascontiguousarray(pixels)})[0][0]
        self.seconds += time.process_time() - started
        self.count += 1
        return out, ratio

    def objects(self, picture, least=0.01, limit=0.5, most=100):
        """(corners in pixels [n,4], scores [n], classes [n]), best first."""
        out, ratio = self.raw(picture)
        middle, half = (out[:, :2] + self.grid) * self.strides, np.exp(out[:, 2:4]) * self.strides / 2
        corners = np.concatenate([middle - half, middle + half], 1) / ratio
        corners = corners.clip(0, [picture.width, picture.height] * 2)
        scores = out[:, 4:5] * out[:, 5:]
        rows, classes = np.nonzero(scores > least)
        boxes, scores = corners[rows], scores[rows, classes]
        kept = suppress(boxes, scores, classes, limit)[:most]
        return boxes[kept], scores[kept], classes[kept]


def one_ap(hits: np.ndarray, total: int) -> float:
    """Area under precision over recall from hits in order of score (1 or 0)."""
    if not len(hits):
        return 0.0
    true = np.cumsum(hits)
    precision = np.maximum.accumulate((true / (np.arange(len(hits)) + 1))[::-1])[::-1]
    where = np.searchsorted(true / total, np.linspace(0, 1, 101))
    return float(np.concatenate([precision, [0.0]])[where.clip(max=len(precision))].mean())


def ap(found, truth, names, ignored=None) -> dict:
    """`found`: per picture (corners, scores, classes); `truth`: per picture [(class, corners)]."""
    out = {}
    for c, name in enumerate(names):
        total = sum(t[0] == c for each in truth for t in each)
        if not total:
            continue
        scores, hits = [], []
        for n, ((boxes, given, classes), each) in enumerate(zip(found, truth)):
            mine = classes == c
            wanted = np.array([t[1:] for t in each if t[0] == c], np.float64).reshape(-1, 4)
            ratio = overlaps(boxes[mine], wanted)
            crowd = np.array(ignored[n].get(c, []) if ignored else [], np.float64).reshape(-1, 4)
            table = np.zeros((mine.sum(), len(LEVELS)))
            for l, level in enumerate(LEVELS):
                free = np.ones(len(wanted), bool)
                for r in range(len(table)):
                    best = np.where(free, ratio[r], 0)
                    if len(best) and best.max() >= level:
                        free[best.argmax()] = False
                        table[r, l] = 1
                    elif len(crowd) and overlaps(boxes[mine][r : r + 1], crowd).max() >= 0.5:
                        table[r, l] = np.nan
            scores.append(given[mine])
            hits.append(table)
        order = np.argsort(-np.concatenate(scores), kind="stable")
        hits = np.concatenate(hits)[order]
        values = [one_ap(column[~np.isnan(column)], total) for column in hits.T]
        out[name] = {"objects": total, "ap50": round(values[0], 3), "ap": round(float(np.mean(values)), 3)}
    return {"ap50": round(float(np.mean([v["ap50"] for v in out.values()])), 3), "ap": round(float(np.mean([v["ap"] for v in out.values()])), 3), "classes": out}


def at_threshold(found, truth, least=0.3) -> dict:
    """Precision and recall of objects (class right, IoU 0.5) whose score is at least this."""
    hits = said = total = 0
    for (boxes, scores, classes), each in zip(found, truth):
        kept = scores >= least
        said, total = said + int(kept.sum()), total + len(each)
        free = list(each)
        for box, kind in zip(boxes[kept], classes[kept]):
            ratio = [overlaps(box[None], np.array(t[1:])[None])[0, 0] if t[0] == kind else 0 for t in free]
            if ratio and max(ratio) >= 0.5:
                free.pop(int(np.argmax(ratio)))
                hits += 1
    return {"score": least, "precision": round(hits / max(1, said), 3), "recall": round(hits / max(1, total), 3)}


def measured(package, paths, truth, names, trivial, ignored=None) -> dict:
    found, plain = [], []
    for path in paths:
        picture = Image.open(path).convert("RGB")
        found.append(package.objects(picture))
        boxes, shares, kinds = trivial
        plain.append((boxes * ([picture.width, picture.height] * 2), shares, kinds))
    report = {"pictures": len(paths), "objects": sum(map(len, truth)), **ap(found, truth, names, ignored)}
    report["trivial"] = {k: v for k, v in ap(plain, truth, names, ignored).items() if k != "classes"}
    report["at_threshold"] = at_threshold(found, truth)
    return report


def show(package, folder: Path, target: Path, least=0.3):
    paths = sorted(p for p in folder.iterdir() if p.suffix in (".jpg", ".png"))
    paths = paths[:: max(1, len(paths) // 28)][:28]
    sheet = Image.new("RGB", (7 * 260, 4 * 260))
    for n, path in enumerate(paths):
        picture = Image.open(path).convert("RGB")
        boxes, scores, classes = package.objects(picture, least)
        ratio = 256 / max(picture.size)
        small = picture.resize([round(s * ratio) for s in picture.size])
        draw = ImageDraw.Draw(small)
        for box, score, kind in zip(boxes * ratio, scores, classes):
            draw.rectangle(tuple(box), outline=(255, 0, 0), width=2)
            draw.text((box[0] + 3, box[1] + 2), f"{package.labels[kind]} {score:.2f}", fill=(255, 0, 255))
        sheet.paste(small, (n % 7 * 260, n // 7 * 260))
    sheet.quantize(96).save(target)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("package", "photos", "scenes"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    for name in ("coco", "show", "to"):
        parser.add_argument(f"--{name}", type=Path)
    options = parser.parse_args()
    package = Package(options.package)
    if options.show:
        return show(package, options.show, options.to)
    names, items = known.items(options.photos, options.scenes)
    train = np.array([b for i in items if not i.test for b in i.boxes])
    kinds, counts = np.unique(train[:, 0].astype(int), return_counts=True)
    means = np.stack([train[train[:, 0] == k, 1:].mean(0) for k in kinds])
    trivial = means, counts / len(train), kinds
    report = {}
    for group in ("photos", "drawn"):
        chosen = [i for i in items if i.test and (i.source == "drawn") == (group == "drawn")]
        truth = []
        for item in chosen:
            width, height = Image.open(item.path).size
            truth.append([(b[0], b[1] * width, b[2] * height, b[3] * width, b[4] * height) for b in item.boxes])
        report[group] = measured(package, [i.path for i in chosen], truth, names, trivial)
    report["milliseconds_a_picture"] = round(1000 * package.seconds / package.count, 1)
    if options.coco:
        data = json.loads((options.coco / "instances.json").read_text())
        number = {c["id"]: names.index(c["name"]) for c in data["categories"] if c["name"] in names}
        truth, ignored = {i["id"]: [] for i in data["images"]}, {i["id"]: {} for i in data["images"]}
        for a in data["annotations"]:
            if a["category_id"] in number:
                x, y, w, h = a["bbox"]
                kind = number[a["category_id"]]
                if a["iscrowd"]:
                    ignored[a["image_id"]].setdefault(kind, []).append((x, y, x + w, y + h))
                else:
                    truth[a["image_id"]].append((kind, x, y, x + w, y + h))
        paths = [options.coco / "images" / i["file_name"] for i in data["images"]]
        report["coco"] = measured(package, paths, list(truth.values()), names, trivial, list(ignored.values()))
    print(json.dumps(report, indent=1))


if __name__ == "__main__":
    main()
