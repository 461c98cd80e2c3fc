"""Trains the tagger on pooled features and fits a threshold for each tag.

    python train.py --trunk DIR --photos DIR --scenes DIR --grid DIR --out DIR [--epochs 24]

One in eight training pictures takes no part in the fit: the thresholds are chosen on it. Test pictures take part in neither.
"""

import argparse
import json
import math
import time
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional

import grid
import material
import mobilenet
import tags as vocabulary
from model import Tagger, group_odds, pooled

SEED = 13
BATCH = 256


def targets(items, tags, trained) -> tuple[np.ndarray, np.ndarray]:
    """1 where a tag is true [items, trained], and 1 where that is known."""
    place = {tag: i for i, tag in enumerate(tags[:trained])}
    true, known = np.zeros((len(items), trained), np.float32), np.ones((len(items), trained), np.float32)
    for i, item in enumerate(items):
        facts, perhaps = vocabulary.facts_of(item)
        known[i, [place[t] for t in perhaps if t in place]] = 0
        here = [place[t] for t in facts if t in place]
        true[i, here] = known[i, here] = 1
    return true, known


def threshold(score, true) -> float:
    """Where the F1 of these scores is highest: the middle between two scores."""
    order = np.argsort(-score)
    score, true = score[order], true[order]
    hits = np.cumsum(true)
    f1 = 2 * hits / (np.arange(len(true)) + 1 + true.sum())
    best = int(f1.argmax())
    below = score[best + 1] if best + 1 < len(score) else 0.0
    return float((score[best] + below) / 2)


def thresholds(scores, odds, true, known, trained, grouped) -> np.ndarray:
    """One a tag; tags with few examples get nearly what suits all of them together.

    Tags without pictures get what suits the log-odds of those `grouped` tags that have some.
    """
    out = np.empty(scores.shape[1])
    mask = known > 0
    common = threshold(scores[:, :trained][mask], true[mask])
    out[:trained] = common
    mine = mask & grouped[:trained] & (true.sum(0) > 0)
    out[trained:] = threshold(1 / (1 + np.exp(-odds[:, :trained][mine])), true[mine])
    for t in range(trained):
        rows = mask[:, t]
        count = true[rows, t].sum()
        if count >= 3:
            own = threshold(scores[rows, t], true[rows, t])
            weight = count / (count + 8.0)  # drawn towards the common one, in log-odds, the fewer examples there are
            odds = weight * math.log(own / (1 - own)) + (1 - weight) * math.log(common / (1 - common))
            out[t] = 1 / (1 + math.exp(-odds))
    return out.clip(0.05, 0.95)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("trunk", "photos", "scenes", "grid", "out"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    parser.add_argument("--epochs", type=int, default=24)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    torch.manual_seed(SEED)
    rng = np.random.default_rng(SEED)
    weight, bias, labels = mobilenet.classifier(options.trunk)
    tags, names, member = vocabulary.vocabulary(labels)
    trained = vocabulary.trained(tags, names)
    items = material.items(options.photos, options.scenes)
    true, known = targets(items, tags, trained)
    index = json.loads((options.grid / "rows.json").read_text())
    owner, plain = np.array([i for i, _ in index]), np.array([v == "plain" for _, v in index])
    cells = np.load(options.grid / "grid.npy", mmap_mode="r")
    rows = np.concatenate([pooled(cells[s : s + 512]).astype(np.float16) for s in range(0, len(cells), 512)])
    odds = group_odds(rows[:, : grid.LAST].astype(np.float32), weight, bias, member)
    test = np.array([item.test for item in items])
    held = ~test & (rng.random(len(items)) < 1 / 8)
    fit = np.flatnonzero(~test[owner] & ~held[owner])
    print(len(tags), "tags", trained, "trained", len(fit), "rows", flush=True)

    base = rows[fit[::5]].astype(np.float32)
    mean, scale = torch.from_numpy(base.mean(0)), torch.from_numpy(1 / (base.std(0) + 0.03))
    model = Tagger(mean, scale, len(tags), trained, [tags.index("drawing"), tags.index("satellite photo")])
    class_of = np.array([tags.index(vocabulary.words.photo_classes()[f"{i.truth.dataset}/{i.truth.label}"][0][0]) if i.group == "photo" else -1 for i in items])
    share = np.bincount(class_of[class_of >= 0], minlength=len(names)).astype(np.float32)
    drawing = np.array([i.group != "photo" for i in items])
    chance = np.where(drawing[owner[fit]], 0.5, share[class_of[owner[fit]]].clip(1) ** -0.4 * 4)
    chance /= chance.sum()
    optimizer = torch.optim.AdamW(model.parameters(), weight_decay=0.1)
    steps = options.epochs * len(fit) // BATCH
    started = time.time()
    for step in range(steps):
        for group in optimizer.param_groups:
            group["lr"] = 1.5e-3 * min(1.0, (step + 1) / 100) * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * step / steps)))
        chosen = rng.choice(fit, BATCH, p=chance)
        of = owner[chosen]
        out = model(torch.from_numpy(rows[chosen].astype(np.float32)), torch.from_numpy(odds[chosen]), 0.3)
        own = out[:, :trained]
        loss = functional.binary_cross_entropy_with_logits(own, torch.from_numpy(true[of]), torch.from_numpy(known[of]), reduction="sum") / BATCH
        photos = torch.from_numpy(class_of[of] >= 0)
        kinds = functional.cross_entropy(own[photos][:, : len(names)], torch.from_numpy(class_of[of])[photos], label_smoothing=0.05)
        optimizer.zero_grad()
        (loss + 0.5 * kinds).backward()
        optimizer.step()
        if step % 300 == 299:
            print(step + 1, "of", steps, f"{time.time() - started:.0f}s", round(loss.item(), 3), round(kinds.item(), 3), flush=True)
    model.eval()

    part = np.flatnonzero(held[owner] & plain)
    with torch.no_grad():
        scores = model(torch.from_numpy(rows[part].astype(np.float32)), torch.from_numpy(odds[part])).sigmoid().numpy()
    limits = thresholds(scores, odds[part], true[owner[part]], known[owner[part]], trained, member.any(0))
    print("threshold of the tags without pictures", limits[-1])
    torch.save({"weights": model.state_dict(), "tags": tags, "names": len(names), "trained": trained, "thresholds": limits.tolist(), "member": member}, options.out / "weights.pt")
    (options.out / "train.json").write_text(json.dumps({"epochs": options.epochs, "seed": SEED, "cpu_seconds": round(time.process_time())}))

    part = np.flatnonzero(test[owner] & (class_of[owner] >= 0))
    with torch.no_grad():
        scores = model(torch.from_numpy(rows[part].astype(np.float32)), torch.from_numpy(odds[part])).numpy()
    print("test photos, top 1 among the class names", (scores[:, : len(names)].argmax(1) == class_of[owner[part]]).mean())


if __name__ == "__main__":
    main()
