"""Trains the image head and the text tower on precomputed features.

    python train.py --trunk DIR --photos DIR --features DIR --out DIR [--steps 900]

Each batch holds photos, drawn scenes and samples of ImageNet classes (class mean from `prototypes.py` plus the
deviation of a random photo from its own class). Losses: symmetric InfoNCE between pictures and captions, where a
caption that is true of another picture is left out of the negatives; InfoNCE between two views of a picture; and the
plain distance between a picture and its light copies.
"""

import argparse
import json
import math
import time
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional

import dataset
import generate
import photos as photo_sets
import prototypes
import trunk
import views
import words
from model import ImageHead, TextTower

SEED = 7
BATCH = {"photos": 192, "scenes": 96, "imagenet": 96, "pairs": 56}
JOINED = ("{} and {}", "{} next to {}", "{} with {}", "{} near {}", "{}, {}", "there is {} and {}", "{} beside {}")
TEXT_VIEWS = [i for i, v in enumerate(views.PHOTO_VIEWS) if v in ("plain", "near", "halved")]
LIGHT_VIEWS = {"near", "halved"}
INSTANCE_SCALE = 20.0


class Sampler:
    """Draws pictures with captions from the three groups."""

    def __init__(self, options, rng):
        self.rng = rng
        self.photos, photo_items = dataset.describe_photos(options.photos)
        self.photo_rows = np.load(options.features / "photos.npy", mmap_mode="r")
        self.scene_rows = np.load(options.features / "scenes.npy", mmap_mode="r")
        dataset.classifier_labels(self.photo_rows, photo_items, options.trunk)
        scene_items = dataset.describe_scenes(len(self.scene_rows), options.features / "scenes.json")
        _, _, labels = trunk.classifier(options.trunk)
        classes = words.imagenet_classes(labels)
        class_items = [dataset.grammar.imagenet_captions(*c) for c in classes]

        self.items = {"photos": photo_items, "scenes": scene_items, "imagenet": class_items}
        self.pool = {
            "photos": np.array([i for i, p in enumerate(self.photos) if p.split == "train"]),
            "scenes": np.arange(generate.TRAIN_FROM, len(scene_items)),
            "imagenet": np.arange(1, 1001),
        }
        self.mean, self.class_means = prototypes.class_means(self.photo_rows, self.pool["photos"], options.trunk)
        keys = [f"{p.dataset}/{p.label}" for p in self.photos]
        self.members = {}
        for i in self.pool["photos"]:
            self.members.setdefault(keys[i], []).append(i)
        self.own_mean = {k: self.photo_rows[m, 0].astype(np.float32).mean(0) for k, m in self.members.items()}
        self.keys = keys
        # Small classes are drawn more often: the weight of a photo falls with the root of its class size.
        weight = np.array([len(self.members[keys[i]]) ** -0.4 for i in self.pool["photos"]])
        self.photo_chance = weight / weight.sum()
        self._index()

    def _index(self):
        self.tokenizer = dataset.make_tokenizer([item for items in self.items.values() for item in items])
        table = dataset.FactTable()
        self.true_bits, self.captions = {}, {}
        texts, stated = [], []
        for kind, items in self.items.items():
            spans = []
            for item in items:
                spans.append((len(texts), len(item.captions)))
                texts += [t for t, _ in item.captions]
                stated += [table.number(f) for _, f in item.captions]
            self.captions[kind] = spans
        for kind, items in self.items.items():
            # Only facts that some caption states can matter.
            self.true_bits[kind] = [
                np.array([table.ids[f] for f in item.facts | item.perhaps if f in table.ids], np.int32) for item in items
            ]
        self.texts, self.table = texts, table
        self.stated = [np.array(s, np.int32) for s in stated]
        self.facts = len(table.ids)
        # Words that no caption uses as a fact: harmless in any sentence.
        known = {word for fact in table.ids for word in fact.split()}
        self.fillers = [word for word in dataset.tokens.english() if word not in known]
        print("captions", len(texts), "facts", self.facts, "fillers", len(self.fillers), flush=True)

    def statistics(self):
        """Fixed input statistics: per channel, shared by the nine cells of the grid."""
        rows = np.concatenate(
            [self.photo_rows[self.pool["photos"][::4], 0], self.scene_rows[self.pool["scenes"][::12], 0]]
        ).astype(np.float32)
        grid = rows[:, : trunk.GRID].reshape(-1, 1280)
        average = rows[:, : trunk.GRID].reshape(len(rows), 9, 1280).mean(1)
        rest = rows[:, trunk.GRID :]
        mean = np.concatenate([np.tile(grid.mean(0), 9), rest.mean(0)])
        deviation = np.concatenate([np.tile(average.std(0) * 1.6 + 0.02, 9), rest.std(0) + 0.02])
        return torch.tensor(mean), torch.tensor(1.0 / deviation)

    def _caption(self, kind, index) -> tuple[str, np.ndarray]:
        start, count = self.captions[kind][index]
        chosen = start + int(self.rng.integers(count))
        return self.texts[chosen], self.stated[chosen]

    def _name(self, kind, index) -> tuple[str, np.ndarray]:
        """A short caption with one fact."""
        for _ in range(20):
            text, stated = self._caption(kind, index)
            if len(stated) == 1 and " in " not in text and "photo" not in text and "picture" not in text:
                return text, stated
        return text, stated

    def _padded(self, text: str) -> str:
        """Now and then a sentence gets words that say nothing, as human captions have."""
        rng = self.rng
        if rng.random() < 0.7:
            return text
        said = text.split()
        if rng.random() < 0.6:
            # At the end, as a clause of its own.
            return " ".join(said + list(rng.choice(self.fillers, int(rng.integers(1, 7)))))
        for word in rng.choice(self.fillers, int(rng.integers(1, 4))):
            said.insert(int(rng.integers(len(said) + 1)), word)
        return " ".join(said)

    def _class_sample(self, c) -> np.ndarray:
        """Features of an imagined picture of ImageNet class c."""
        rng = self.rng
        other = int(rng.choice(self.pool["photos"]))
        noise = self.photo_rows[other, int(rng.choice(TEXT_VIEWS))].astype(np.float32) - self.own_mean[self.keys[other]]
        row = self.mean + (self.class_means[c].astype(np.float32) - self.mean) * rng.uniform(0.7, 1.1) + noise
        stop = trunk.GRID + trunk.MAXIMUM
        row[:stop] = np.clip(row[:stop], 0, 6)
        return row

    def _source(self):
        """A photo or an imagined picture: (kind, index, features)."""
        if self.rng.random() < 0.4:
            i = int(self.rng.choice(self.pool["photos"]))
            return "photos", i, self.photo_rows[i, 0].astype(np.float32)
        c = int(self.rng.choice(self.pool["imagenet"]))
        return "imagenet", c, self._class_sample(c)

    def _pair(self):
        """Two pictures side by side or one above the other, joined in feature space, with a caption of both."""
        rng = self.rng
        kind1, i1, row1 = self._source()
        kind2, i2, row2 = self._source()
        beside = rng.random() < 0.6
        cells = []
        for row in (row1, row2):
            grid = row[: trunk.GRID].reshape(3, 3, 1280)
            cells.append(grid.transpose(1, 0, 2) if beside else grid)
        one, two = cells
        joined = np.stack([one[:2].mean(0), (one[2] + two[0]) / 2, two[1:].mean(0)])
        joined = joined.transpose(1, 0, 2) if beside else joined
        stop = trunk.GRID + trunk.MAXIMUM
        maximum = np.maximum(row1[trunk.GRID : stop], row2[trunk.GRID : stop])
        row = np.concatenate([joined.reshape(-1), maximum, (row1[stop:] + row2[stop:]) / 2])
        (text1, stated1), (text2, stated2) = self._name(kind1, i1), self._name(kind2, i2)
        if rng.random() < 0.5:
            text1, text2 = text2, text1
        text = str(rng.choice(JOINED)).format(text1, text2)
        true = np.union1d(self.true_bits[kind1][i1], self.true_bits[kind2][i2])
        return row, text, np.union1d(stated1, stated2), true

    def _photo_rows(self):
        """Photos in twos of a class, so that a batch has pictures that are alike and not the same."""
        rng = self.rng
        seeds = rng.choice(self.pool["photos"], BATCH["photos"] // 2, replace=False, p=self.photo_chance)
        chosen = dict.fromkeys(int(i) for i in seeds)
        for i in seeds:
            chosen.setdefault(int(rng.choice(self.members[self.keys[i]])))
        return list(chosen)

    def batch(self):
        """Features of view a [n], of view b [photos + scenes], light-copy flags, tokens, truth matrix."""
        rng = self.rng
        first, second, light, said, true = [], [], [], [], []
        for i in self._photo_rows():
            a = int(rng.choice(TEXT_VIEWS))
            b = int(rng.choice([v for v in range(len(views.PHOTO_VIEWS)) if v != a]))
            first.append(self.photo_rows[i, a])
            second.append(self.photo_rows[i, b])
            pair = {views.PHOTO_VIEWS[a], views.PHOTO_VIEWS[b]}
            light.append(pair <= LIGHT_VIEWS | {"plain"})
            said.append(self._caption("photos", i))
            true.append(self.true_bits["photos"][i])
        for i in rng.choice(self.pool["scenes"], BATCH["scenes"], replace=False):
            b = int(rng.integers(1, 3))
            first.append(self.scene_rows[i, 0])
            second.append(self.scene_rows[i, b])
            light.append(b == 1)
            said.append(self._caption("scenes", i))
            true.append(self.true_bits["scenes"][i])
        for c in rng.choice(self.pool["imagenet"], BATCH["imagenet"], replace=False):
            first.append(self._class_sample(c))
            said.append(self._caption("imagenet", c))
            true.append(self.true_bits["imagenet"][c])
        for _ in range(BATCH["pairs"]):
            row, text, stated, facts = self._pair()
            first.append(row)
            said.append((text, stated))
            true.append(facts)
        ids, mask = dataset.encode(self.tokenizer, [self._padded(text) for text, _ in said])
        return (
            torch.from_numpy(np.stack(first).astype(np.float32)),
            torch.from_numpy(np.stack(second).astype(np.float32)),
            torch.tensor(light),
            torch.from_numpy(ids),
            torch.from_numpy(mask),
            torch.from_numpy(self._truth(true, [stated for _, stated in said])),
        )

    def _truth(self, true, said) -> np.ndarray:
        """[pictures, captions]: the picture has every fact that the caption states."""
        facts = np.unique(np.concatenate(said))
        place = np.full(self.facts, -1)
        place[facts] = np.arange(len(facts))
        have = np.zeros((len(true), len(facts)), np.float32)
        need = np.zeros((len(said), len(facts)), np.float32)
        for r, row in enumerate(true):
            hits = place[row]
            have[r, hits[hits >= 0]] = 1
        for r, row in enumerate(said):
            need[r, place[row]] = 1
        return have @ need.T >= need.sum(1)[None] - 0.5


def contrast(similarity, holds):
    """Symmetric InfoNCE; true pairs off the diagonal are left out."""
    off = holds & ~torch.eye(len(holds), dtype=torch.bool)
    logits = similarity.masked_fill(off, -1e4)
    target = torch.arange(len(logits))
    return functional.cross_entropy(logits, target), functional.cross_entropy(logits.T, target)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trunk", type=Path, required=True)
    parser.add_argument("--photos", type=Path, required=True)
    parser.add_argument("--features", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=900)
    parser.add_argument("--rate", type=float, default=1.2e-3)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    torch.manual_seed(SEED)
    sampler = Sampler(options, np.random.default_rng(SEED))
    sampler.tokenizer.save(str(options.out / "tokenizer.json"))
    head = ImageHead(*sampler.statistics())
    tower = TextTower(sampler.tokenizer.get_vocab_size())
    scale = torch.nn.Parameter(torch.tensor(math.log(14.0)))
    decayed = [p for m in (head, tower) for p in m.parameters() if p.ndim > 1]
    free = [p for m in (head, tower) for p in m.parameters() if p.ndim <= 1] + [scale]
    optimizer = torch.optim.AdamW([{"params": decayed, "weight_decay": 0.08}, {"params": free, "weight_decay": 0.0}])
    started, seen = time.time(), []
    for step in range(options.steps):
        warm = min(1.0, (step + 1) / 60)
        rate = options.rate * warm * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * step / options.steps)))
        for group in optimizer.param_groups:
            group["lr"] = rate
        first, second, light, ids, mask, holds = sampler.batch()
        with torch.autocast("cpu", torch.bfloat16):
            both = head(torch.cat([first, second]), drop=0.05)
            text = tower(ids, mask)
        both, text = functional.normalize(both.float(), dim=1), functional.normalize(text.float(), dim=1)
        a, b = both[: len(first)], both[len(first) :]
        to_text, to_image = contrast(scale.exp() * a @ text.T, holds)
        own = a[: len(b)]
        same = INSTANCE_SCALE * own @ b.T
        target = torch.arange(len(b))
        instance = functional.cross_entropy(same, target)
        closeness = (1 - (own * b).sum(1))
        near = closeness[light].mean() + 0.2 * closeness[~light].mean()
        loss = 0.5 * (to_text + to_image) + instance + 3.0 * near
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(decayed + free, 2.0)
        optimizer.step()
        with torch.no_grad():
            scale.clamp_(max=math.log(40.0))
        seen.append([to_text.item(), to_image.item(), instance.item(), closeness[light].mean().item()])
        if step % 50 == 49:
            print(step + 1, f"{time.time() - started:.0f}s", f"cpu {time.process_time():.0f}s", np.mean(seen[-50:], 0).round(4), f"scale {scale.exp().item():.1f}", flush=True)
    torch.save({"head": head.state_dict(), "tower": tower.state_dict()}, options.out / "weights.pt")
    (options.out / "train.json").write_text(json.dumps({"steps": options.steps, "seed": SEED, "scale": scale.exp().item()}))


if __name__ == "__main__":
    main()
