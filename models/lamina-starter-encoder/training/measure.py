"""Measures a written package on held-out pictures; prints one JSON object.

    python measure.py --package DIR --trunk DIR --photos DIR [--coco DIR] [--quick]

`--coco` is a folder with images/ and captions.json in the COCO format. It is never used for training or for choosing anything.
"""

import argparse
import json
from pathlib import Path

import numpy as np
from PIL import Image

import captions as grammar
import dataset
import generate
import linkage
import photos as photo_sets
import views
import words
from encoder import Encoder, unit

COPIES = ("plain", "recompressed", "halved", "brighter", "cropped", "blurred")


def recall(similarity: np.ndarray, owner: np.ndarray) -> list[float]:
    """R@1, 5, 10 in per cent: row r should find column owner[r]."""
    own = similarity[np.arange(len(owner)), owner]
    rank = (similarity > own[:, None]).sum(1)
    return [round(float((rank < k).mean() * 100), 1) for k in (1, 5, 10)]


def true_first(similarity: np.ndarray, holds: np.ndarray) -> list[float]:
    """Share of rows with a true column among the first 1, 5, 10."""
    order = np.argsort(-similarity, axis=1)[:, :10]
    hits = np.take_along_axis(holds, order, 1)
    return [round(float(hits[:, :k].any(1).mean() * 100), 1) for k in (1, 5, 10)]


def holds_matrix(stated: list[frozenset], described: list) -> np.ndarray:
    return np.array([[facts <= d.facts | d.perhaps for d in described] for facts in stated])


def text_retrieval(encoder, images, described, seed) -> dict:
    """One caption a picture, the most specific of three drawn ones."""
    rng = np.random.default_rng(seed)
    chosen = []
    for item in described:
        three = [item.captions[int(rng.integers(len(item.captions)))] for _ in range(3)]
        chosen.append(max(three, key=lambda c: (len(c[1]), len(c[0]))))
    similarity = encoder.sentences([c[0] for c in chosen]) @ images.T
    holds = holds_matrix([c[1] for c in chosen], described)
    own = np.arange(len(described))
    return {
        "pictures": len(described),
        "text_to_image": recall(similarity, own),
        "image_to_text": recall(similarity.T, own),
        "text_to_image_true": true_first(similarity, holds),
        "image_to_text_true": true_first(similarity.T, holds.T),
        "true_distance": quantiles(1 - similarity[own, own]),
        "false_distance": quantiles(1 - similarity[~holds]),
    }


def quantiles(values: np.ndarray) -> dict:
    marks = (0.1, 1, 5, 10, 25, 50, 75, 90, 95, 99)
    return {str(m): round(float(np.percentile(values, m)), 4) for m in marks}


def zero_shot(encoder, images, photos) -> dict:
    classes = words.photo_classes()
    keys = sorted(classes)
    prompts = [t.format(words.article(classes[k][0][0])) for k in keys for t in grammar.PLAIN]
    text = unit(encoder.sentences(prompts).reshape(len(keys), len(grammar.PLAIN), -1).mean(1))
    scores = images @ text.T
    # Two folders may have the same name ("car"): a hit on the name counts.
    names = np.array([classes[k][0][0] for k in keys])
    own = np.array([classes[f"{p.dataset}/{p.label}"][0][0] for p in photos])
    order = np.argsort(-scores, axis=1)
    out = {
        "classes": len(set(names)),
        "top1": share(names[order[:, 0]] == own),
        "top5": share((names[order[:, :5]] == own[:, None]).any(1)),
    }
    for part in photo_sets.SETS:
        rows = [i for i, p in enumerate(photos) if p.dataset == part]
        columns = [j for j, k in enumerate(keys) if k.startswith(part)]
        best = np.array(columns)[scores[np.ix_(rows, columns)].argmax(1)]
        out[part] = share(names[best] == own[rows])
    return out


def share(hits) -> float:
    return round(float(np.mean(hits) * 100), 1)


def same_photo(copies: dict[str, np.ndarray]) -> float:
    """The first three of plain + flipped + halved pictures are the query's own three."""
    names = ("plain", "flip", "halved")
    base = np.concatenate([copies[n] for n in names])
    count = len(copies["plain"])
    order = np.argsort(-(copies["plain"] @ base.T), axis=1)[:, :3] % count
    return share((order == np.arange(count)[:, None]).all(1))


def duplicates(copies: dict[str, np.ndarray], threshold: float | None = None) -> dict:
    """Pair F1 over all pairs of the copies, at the best threshold and at the given one."""
    base = np.concatenate([copies[n] for n in COPIES])
    count = len(copies["plain"])
    similarity = base @ base.T
    upper = np.triu(np.ones_like(similarity, bool), 1)
    group = np.arange(len(base)) % count
    same = (group[:, None] == group[None]) & upper
    positive, negative = np.sort(similarity[same]), np.sort(similarity[~same & upper])

    def f1(t):
        hit = len(positive) - np.searchsorted(positive, t)
        wrong = len(negative) - np.searchsorted(negative, t)
        return 2 * hit / (2 * hit + wrong + len(positive) - hit)

    grid = np.arange(0.7, 0.9999, 0.0025)
    scores = [f1(t) for t in grid]
    best = int(np.argmax(scores))
    out = {"best_f1": round(scores[best], 4), "best_threshold": round(float(grid[best]), 4)}
    good = grid[np.array(scores) >= 0.99]
    out["range_of_f1_0.99"] = [round(float(good[0]), 4), round(float(good[-1]), 4)] if len(good) else None
    if threshold:
        out[f"f1_at_{threshold}"] = round(f1(threshold), 4)
    out["copies"] = {m: round(float(np.percentile(positive, m)), 4) for m in (0.1, 0.5, 1, 5, 50)}
    out["others"] = {m: round(float(np.percentile(negative, m)), 4) for m in (50, 99, 99.9, 99.99)}
    out["others_highest"] = [round(float(v), 4) for v in negative[-12:]]
    return out


def spread(images, keys) -> dict:
    """Cosine distances within and between classes, and to the nearest pictures."""
    distance = 1 - images @ images.T
    same = np.array(keys)[:, None] == np.array(keys)[None]
    upper = np.triu(np.ones_like(same), 1).astype(bool)
    nearest = distance + np.eye(len(distance)) * 9
    order = np.argsort(nearest, axis=1)
    out = {"between": quantiles(distance[~same & upper])}
    if (same & upper).any():
        out["within"] = quantiles(distance[same & upper])
    out["nearest"] = quantiles(np.take_along_axis(nearest, order[:, :1], 1))
    out["fifth"] = quantiles(np.take_along_axis(nearest, order[:, 4:5], 1))
    for limit in (0.1, 0.2, 0.3, 0.4, 0.5, 0.6):
        near = (distance < limit) & upper
        if near.any() and "within" in out:
            out[f"pairs_below_{limit}"] = {"same_class": share(same[near]), "of_same_class": share(near[same & upper])}
    return out


def levels(images, keys, threshold) -> dict:
    """Average-linkage clusters at many distances, and the five levels chosen from them.

    Level 0 holds near-copies only; level 3 has the best F1 of same-class pairs; levels 1 and 2 lie evenly between;
    level 4 is coarser again, by a quarter of that way.
    """
    joined = linkage.merges(images)
    grid = {}
    for step in range(2, 40):
        limit = round(step * 0.025, 3)
        grid[limit] = linkage.agreement(linkage.clusters(joined, len(images), limit), keys)
    best = max(grid, key=lambda k: grid[k]["f1"])
    finest = 1 - threshold
    chosen = [finest, finest + (best - finest) / 3, finest + (best - finest) * 2 / 3, best, best + (best - finest) / 4]
    out = {str(i): round(v, 3) for i, v in enumerate(chosen)}
    for i, value in enumerate(chosen):
        out[f"level {i}"] = linkage.agreement(linkage.clusters(joined, len(images), value), keys)
    return out


def neighbours(train, train_keys, test, test_keys, k=5) -> float:
    order = np.argsort(-(test @ train.T), axis=1)[:, :k]
    similarity = np.take_along_axis(test @ train.T, order, 1)
    hits = []
    for row, scores, key in zip(order, similarity, test_keys):
        votes = {}
        for j, s in zip(row, scores):
            votes[train_keys[j]] = votes.get(train_keys[j], 0) + s
        hits.append(max(votes, key=votes.get) == key)
    return share(hits)


def made(encoder, kind, pictures, seed) -> np.ndarray:
    """Vectors of one kind of copy of every picture."""
    return encoder.images(views.make(kind, p, np.random.default_rng([seed, i])) for i, p in enumerate(pictures))


def coco(encoder, folder: Path, threshold: float) -> dict:
    data = json.loads((folder / "captions.json").read_text())

    def opened():
        return (Image.open(folder / "images" / image["file_name"]).convert("RGB") for image in data["images"])

    order = {image["id"]: i for i, image in enumerate(data["images"])}
    texts = [a["caption"] for a in data["annotations"]]
    owner = np.array([order[a["image_id"]] for a in data["annotations"]])
    copies = {kind: made(encoder, kind, opened(), 7) for kind in views.TEST_VIEWS}
    images = copies["plain"]
    similarity = encoder.sentences(texts) @ images.T
    holds = owner[:, None] == np.arange(len(images))[None]
    return {
        "pictures": len(images),
        "captions": len(texts),
        "same_photo_first_three": same_photo(copies),
        "duplicates": duplicates(copies, threshold),
        "text_to_image": recall(similarity, owner),
        "image_to_text": true_first(similarity.T, holds.T),
        "true_distance": quantiles(1 - similarity[holds]),
        "false_distance": quantiles(1 - similarity[~holds]),
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--package", type=Path, required=True)
    parser.add_argument("--photos", type=Path, required=True)
    parser.add_argument("--coco", type=Path)
    parser.add_argument("--threshold", type=float, default=0.92)
    parser.add_argument("--quick", action="store_true", help="leave out the neighbours and the copies of the scenes")
    options = parser.parse_args()
    encoder = Encoder(options.package)
    photos = photo_sets.load(options.photos)
    classes = words.photo_classes()
    test = [p for p in photos if p.split == "test"]
    keys = [f"{p.dataset}/{p.label}" for p in test]
    described = [grammar.photo_captions(p, *classes[k]) for p, k in zip(test, keys)]

    def opened(items):
        return (Image.open(p.path).convert("RGB") for p in items)

    copies = {kind: made(encoder, kind, opened(test), 5) for kind in views.TEST_VIEWS}
    plain = copies["plain"]
    report = {"photos": text_retrieval(encoder, plain, described, 11)}
    report["zero_shot"] = zero_shot(encoder, plain, test)
    report["same_photo_first_three"] = same_photo(copies)
    report["duplicates"] = duplicates(copies, options.threshold)
    kept = [i for i, p in enumerate(test) if p.dataset != "eurosat-rgb"]
    report["duplicates_without_eurosat"] = duplicates({k: v[kept] for k, v in copies.items()}, options.threshold)
    report["same_photo_without_eurosat"] = same_photo({k: v[kept] for k, v in copies.items()})
    report["spread"] = spread(plain, keys)
    report["levels"] = levels(plain, keys, options.threshold)
    scenes = [generate.scene(i) for i in range(500)]
    drawn = encoder.images(s.picture for s in scenes)
    said = [grammar.Described(s.facts.union(*(f for _, f in s.captions)), set(), s.captions) for s in scenes]
    report["scenes"] = text_retrieval(encoder, drawn, said, 12)
    report["scene_spread"] = {k: v for k, v in spread(drawn, range(len(drawn))).items() if k in ("between", "nearest", "fifth")}
    report["random_mean"] = round(float(np.linalg.norm(plain.mean(0))), 4)
    if options.coco:
        report["coco"] = coco(encoder, options.coco, options.threshold)
    if not options.quick:
        kinds = {kind: made(encoder, kind, (s.picture for s in scenes), 6) for kind in views.TEST_VIEWS}
        report["scene_duplicates"] = duplicates(kinds, options.threshold)
        report["scene_same_first_three"] = same_photo(kinds)
        train = [p for p in photos if p.split == "train"]
        rows = encoder.images(opened(train))
        train_keys = [f"{p.dataset}/{p.label}" for p in train]
        report["five_neighbours"] = neighbours(rows, train_keys, plain, keys)
    report["vision_cpu_ms"] = round(encoder.seconds / encoder.count * 1000, 2)
    print(json.dumps(report, indent=1))


if __name__ == "__main__":
    main()
