"""Trains the detector's head on precomputed features.

    python train.py --features DIR --out DIR [--steps 4000]

Each object gets the few cells near its middle that fit it best (score times a power of the overlap); losses are those of
YOLOX: cross entropy of objectness and of classes (weighted by the overlap), and the overlap itself.
"""

import argparse
import copy
import json
import math
import time
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional

from model import Detector, cells, corners
from pictures import SIDE

SEED = 3
BATCH = 24
MOST = 40  # objects of a picture that are looked at
BEST = 9  # cells an object, at most


def overlap(a: torch.Tensor, b: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Intersection over union of corners [..,4] and the generalised one."""
    low, high = torch.maximum(a[..., :2], b[..., :2]), torch.minimum(a[..., 2:], b[..., 2:])
    inner = (high - low).clamp(min=0).prod(-1)
    union = (a[..., 2:] - a[..., :2]).prod(-1) + (b[..., 2:] - b[..., :2]).prod(-1) - inner
    ratio = inner / union.clamp(min=1e-6)
    hull = (torch.maximum(a[..., 2:], b[..., 2:]) - torch.minimum(a[..., :2], b[..., :2])).prod(-1)
    return ratio, ratio - (hull - union) / hull.clamp(min=1e-6)


@torch.no_grad()
def assign(raw, boxes, truth, classes, present, grid, strides):
    """Which object each cell stands for: index [B,A], -1 for none."""
    middle = (grid + 0.5) * strides  # [A,2]
    inside = ((middle > truth[:, :, None, :2]) & (middle < truth[:, :, None, 2:])).all(-1)
    centre = (truth[..., :2] + truth[..., 2:]) / 2
    away = (middle - centre[:, :, None]).abs().amax(-1) / strides[:, 0]  # [B,M,A], in cells
    allowed = ((inside & (away < 2.5)) | (away < 1.0)) & present[:, :, None]
    ratio, _ = overlap(truth[:, :, None], boxes[:, None])
    score = (raw[..., 4:5].sigmoid() * raw[..., 5:].sigmoid()).transpose(1, 2)  # [B,C,A]
    score = score.gather(1, classes[:, :, None].expand(-1, -1, score.shape[-1]))
    metric = (score.clamp(min=1e-6).sqrt() * (ratio + 1e-3) ** 4) * allowed
    top = metric.topk(BEST, -1)
    count = ratio.mul(allowed).topk(BEST, -1).values.sum(-1).round().clamp(min=1)  # as many cells as fit well
    chosen = (torch.arange(BEST) < count[..., None]) & (top.values > 0)
    wanted = torch.zeros_like(metric).scatter_(2, top.indices, chosen.float())
    best = (wanted * (ratio + 1e-3)).max(1)
    return torch.where(best.values > 0, best.indices, -1)


def loss_of(raw, truth, classes, present, grid, strides):
    boxes = corners(raw, grid, strides)
    owner = assign(raw, boxes, truth, classes, present, grid, strides)
    taken = owner >= 0
    index = owner.clamp(min=0)
    count = taken.sum().clamp(min=1)
    objectness = functional.binary_cross_entropy_with_logits(raw[..., 4], taken.float(), reduction="sum")
    target = truth.gather(1, index[..., None].expand(-1, -1, 4))[taken]
    ratio, general = overlap(boxes[taken], target)
    kind = functional.one_hot(classes.gather(1, index)[taken], raw.shape[-1] - 5).float()
    kinds = functional.binary_cross_entropy_with_logits(raw[..., 5:][taken], kind * ratio.detach()[:, None].clamp(min=0.2), reduction="sum")
    return objectness / count, kinds / count, (1 - general).sum() / count


class Rows:
    def __init__(self, folder: Path):
        self.maps = [np.load(folder / f"p{level}.npy", mmap_mode="r") for level in (3, 4, 5)]
        truth = json.loads((folder / "truth.json").read_text())
        self.names, self.truth = truth["names"], truth["pictures"]

    def group(self, name: str) -> np.ndarray:
        return np.array([i for i, (group, _) in enumerate(self.truth) if group == name])

    def features(self, rows) -> list[torch.Tensor]:
        return [torch.from_numpy(m[rows].astype(np.float32)).permute(0, 3, 1, 2) for m in self.maps]

    def boxes(self, rows):
        """Corners [B,M,4], classes [B,M] and which of them are there."""
        most = max(1, min(MOST, max(len(self.truth[i][1]) for i in rows)))
        truth, classes = torch.zeros(len(rows), most, 4), torch.zeros(len(rows), most, dtype=torch.int64)
        present = torch.zeros(len(rows), most, dtype=torch.bool)
        for n, i in enumerate(rows):
            for m, box in enumerate(self.truth[i][1][:most]):
                classes[n, m], present[n, m] = box[0], True
                truth[n, m] = torch.tensor(box[1:])
        return truth, classes, present

    def chances(self, rows) -> np.ndarray:
        """How often each row is drawn: pictures of rare classes more often."""
        count = np.zeros(len(self.names))
        for i in rows:
            for kind in {b[0] for b in self.truth[i][1]}:
                count[kind] += 1
        weight = [max((count[b[0]] ** -0.5 for b in self.truth[i][1]), default=len(rows) ** -0.5) for i in rows]
        return np.array(weight) / np.sum(weight)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--features", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=4000)
    parser.add_argument("--rate", type=float, default=2e-3)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    torch.manual_seed(SEED)
    rng = np.random.default_rng(SEED)
    rows = Rows(options.features)
    train = rows.group("train")
    chances = rows.chances(train)
    model = Detector(len(rows.names)).to(memory_format=torch.channels_last)
    kept = copy.deepcopy(model).eval()
    print("weights", sum(p.numel() for p in model.parameters()), "rows", len(train), flush=True)
    grid, strides = cells(SIDE)
    decayed = [p for p in model.parameters() if p.ndim > 1]
    free = [p for p in model.parameters() if p.ndim <= 1]
    optimizer = torch.optim.AdamW([{"params": decayed, "weight_decay": 0.05}, {"params": free, "weight_decay": 0.0}])
    started, seen = time.time(), []
    for step in range(options.steps):
        rate = options.rate * min(1.0, (step + 1) / 150) * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * step / options.steps)))
        for group in optimizer.param_groups:
            group["lr"] = rate
        chosen = np.sort(rng.choice(train, BATCH, replace=False, p=chances))
        with torch.autocast("cpu", torch.bfloat16):
            raw = model(*rows.features(chosen))
        parts = loss_of(raw.float(), *rows.boxes(chosen), grid, strides)
        loss = parts[0] + parts[1] + 3.0 * parts[2]
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 10.0)
        optimizer.step()
        with torch.no_grad():
            decay = min(0.998, (1 + step) / (10 + step))
            for a, b in zip(kept.state_dict().values(), model.state_dict().values()):
                if a.dtype.is_floating_point:
                    a.lerp_(b, 1 - decay)
                else:
                    a.copy_(b)
        seen.append([p.item() for p in parts])
        if step % 100 == 99 or step == 9:
            print(step + 1, f"{time.time() - started:.0f}s", f"cpu {time.process_time():.0f}s", np.mean(seen[-100:], 0).round(3), flush=True)
        if step % 1000 == 999 or step + 1 == options.steps:
            torch.save({"names": rows.names, "weights": kept.state_dict()}, options.out / "weights.pt")
    (options.out / "train.json").write_text(json.dumps({"steps": options.steps, "seed": SEED, "cpu_seconds": round(time.process_time())}))


if __name__ == "__main__":
    main()
