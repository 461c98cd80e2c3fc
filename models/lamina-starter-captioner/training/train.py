"""Trains the captioner on precomputed grid features.

    python train.py --photos DIR --scenes DIR --grid DIR --out DIR [--steps 2400]

Every 200 steps `state.pt` keeps all that the rest of the run depends on; the same command goes on from there.
"""

import argparse
import json
import math
import time
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional

import material
import sentences
import tokens
from model import LENGTH, Decoder, Encoder

SEED = 23
BATCH = 96
VOCABULARY = 1200
PADDING = -100


def padded(rows: list[list[int]]) -> tuple[torch.Tensor, torch.Tensor]:
    """Inputs and targets: each target is the next token; padding is left out of the loss."""
    rows = [row[: LENGTH + 1] for row in rows]
    width = max(map(len, rows)) - 1
    given, wanted = torch.ones(len(rows), width, dtype=torch.int64), torch.full((len(rows), width), PADDING)
    for i, row in enumerate(rows):
        given[i, : len(row) - 1] = torch.tensor(row[:-1])
        wanted[i, : len(row) - 1] = torch.tensor(row[1:])
    return given, wanted


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("photos", "scenes", "grid", "out"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=2400)
    parser.add_argument("--rate", type=float, default=1e-3)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    torch.manual_seed(SEED)
    rng = np.random.default_rng(SEED)
    items = material.items(options.photos, options.scenes)
    said = [sentences.said(item, i) for i, item in enumerate(items)]
    (options.out / "said.json").write_text(json.dumps(said))
    train = [i for i, item in enumerate(items) if not item.test]
    tokenizer = tokens.train([text for i in train for text in said[i]], VOCABULARY)
    tokenizer.save(str(options.out / "tokenizer.json"))
    ids = [[e.ids for e in tokenizer.encode_batch(texts)] for texts in said]
    print("vocabulary", tokenizer.get_vocab_size(), "longest", max(len(r) for rows in ids for r in rows), flush=True)

    index = json.loads((options.grid / "rows.json").read_text())
    owner = np.array([i for i, _ in index])
    fit = np.flatnonzero(~np.array([item.test for item in items])[owner])
    cells = np.load(options.grid / "grid.npy", mmap_mode="r")
    keys = [f"{i.truth.dataset}/{i.truth.label}" if i.group == "photo" else i.group for i in items]
    count = {key: sum(keys[owner[r]] == key for r in fit) for key in set(keys)}
    chance = np.array([count[keys[owner[r]]] ** -0.4 for r in fit])
    drawn = np.array([items[owner[r]].group != "photo" for r in fit])
    chance[drawn] *= 0.3 * chance[~drawn].sum() / 0.7 / chance[drawn].sum()  # three in ten are drawn
    chance /= chance.sum()
    sample = cells[np.sort(rng.choice(fit, 1500, replace=False))].astype(np.float32).reshape(-1, cells.shape[-1])
    encoder = Encoder(torch.from_numpy(sample.mean(0)), torch.from_numpy(1 / (sample.std(0) + 0.05)))
    decoder = Decoder(tokenizer.get_vocab_size())
    weights = [p for m in (encoder, decoder) for p in m.parameters()]
    print("weights", sum(p.numel() for p in weights), "rows", len(fit), flush=True)
    optimizer = torch.optim.AdamW(
        [{"params": [p for p in weights if p.ndim > 1], "weight_decay": 0.05}, {"params": [p for p in weights if p.ndim <= 1], "weight_decay": 0.0}]
    )
    started, seen, spent, first, state = time.time(), [], 0.0, 0, options.out / "state.pt"
    if state.exists():
        kept = torch.load(state, weights_only=False)
        encoder.load_state_dict(kept["encoder"])
        decoder.load_state_dict(kept["decoder"])
        optimizer.load_state_dict(kept["optimizer"])
        rng.bit_generator.state = kept["rng"]
        torch.set_rng_state(kept["torch_rng"])
        first, spent = kept["steps"], kept["cpu_seconds"]
    for step in range(first, options.steps):
        for group in optimizer.param_groups:
            group["lr"] = options.rate * min(1.0, (step + 1) / 150) * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * step / options.steps)))
        chosen = np.sort(rng.choice(fit, BATCH, p=chance))
        given, wanted = padded([ids[owner[r]][int(rng.integers(sentences.REFERENCES))] for r in chosen])
        with torch.autocast("cpu", torch.bfloat16):
            states = functional.dropout(encoder(torch.from_numpy(cells[chosen].astype(np.float32))), 0.1)
            logits = decoder(given, states)
        loss = functional.cross_entropy(logits.float().flatten(0, 1), wanted.flatten(), ignore_index=PADDING, label_smoothing=0.03)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(weights, 1.0)
        optimizer.step()
        seen.append(loss.item())
        if step % 100 == 99 or step == 9:
            print(step + 1, f"{time.time() - started:.0f}s", f"cpu {spent + time.process_time():.0f}s", round(float(np.mean(seen[-100:])), 4), flush=True)
        if step % 200 == 199 or step + 1 == options.steps:
            weights_now = {"encoder": encoder.state_dict(), "decoder": decoder.state_dict()}
            rest = {"optimizer": optimizer.state_dict(), "rng": rng.bit_generator.state, "torch_rng": torch.get_rng_state()}
            torch.save(weights_now | rest | {"steps": step + 1, "cpu_seconds": spent + time.process_time()}, state)
            torch.save(weights_now, options.out / "weights.pt")
    (options.out / "train.json").write_text(json.dumps({"steps": options.steps, "seed": SEED, "cpu_seconds": round(spent + time.process_time())}))


if __name__ == "__main__":
    main()
