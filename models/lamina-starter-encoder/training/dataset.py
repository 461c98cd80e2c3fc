"""All training material in one place: features, captions as token ids, facts as bits."""

import json
from pathlib import Path

import numpy as np

import captions as grammar
import generate
import photos as photo_sets
import tokens
import trunk
import words

def describe_photos(folder: Path) -> tuple[list, list]:
    photos = photo_sets.load(folder)
    classes = words.photo_classes()
    described = [grammar.photo_captions(p, *classes[f"{p.dataset}/{p.label}"]) for p in photos]
    return photos, described


def describe_scenes(count: int, cache: Path) -> list:
    """Facts and captions of the drawn scenes; kept in a file, since drawing them again takes minutes."""
    if cache.exists():
        saved = json.loads(cache.read_text())
        if len(saved) >= count:
            return [
                grammar.Described(set(facts), set(), [(text, frozenset(f)) for text, f in said])
                for facts, said in saved[:count]
            ]
    made = []
    for i in range(count):
        scene = generate.scene(i)
        said = [(text, frozenset(facts)) for text, facts in scene.captions]
        stated = set().union(*(facts for _, facts in said))
        made.append(grammar.Described(scene.facts | stated, set(), said))
    cache.write_text(json.dumps([[sorted(m.facts), [[t, sorted(f)] for t, f in m.captions]] for m in made]))
    return made


def classifier_labels(features: np.ndarray, described: list, folder: Path) -> None:
    """Add what the ImageNet classifier sees: sure labels as captions, possible ones as not-negatives."""
    weight, bias, labels = trunk.classifier(folder)
    classes = words.imagenet_classes(labels)
    for i, item in enumerate(described):
        mean = np.asarray(features[i, 0, : trunk.GRID], np.float32).reshape(9, 1280).mean(0)
        logits = weight @ mean + bias
        chance = np.exp(logits - logits.max())
        chance /= chance.sum()
        for c in np.argsort(-chance)[:5]:
            if c and chance[c] > 0.03:
                item.perhaps.update(classes[c][0] + classes[c][1])
        best = int(chance.argmax())
        if best and chance[best] > 0.6:
            names = classes[best][0]
            item.facts.add(names[0])
            for template in grammar.PLAIN[:2]:
                item.captions.append((template.format(words.article(names[0])), frozenset([names[0]])))


class FactTable:
    """Numbers for facts, and bit rows for pictures and captions."""

    def __init__(self):
        self.ids: dict[str, int] = {}

    def number(self, facts) -> list[int]:
        return [self.ids.setdefault(f, len(self.ids)) for f in sorted(facts)]

    def bits(self, rows: list[list[int]]) -> np.ndarray:
        table = np.zeros((len(rows), len(self.ids)), np.uint8)
        for i, row in enumerate(rows):
            table[i, row] = 1
        return table


def encode(tokenizer, texts: list[str]) -> tuple[np.ndarray, np.ndarray]:
    """Token ids and mask, padded with END to the longest."""
    rows = [e.ids for e in tokenizer.encode_batch(texts)]
    width = max(map(len, rows))
    ids = np.full((len(rows), width), 1, np.int64)
    mask = np.zeros((len(rows), width), np.int64)
    for i, row in enumerate(rows):
        ids[i, : len(row)] = row
        mask[i, : len(row)] = 1
    return ids, mask


def make_tokenizer(described: list):
    texts = [text for item in described for text, _ in item.captions]
    return tokens.train(texts[:: max(1, len(texts) // 150000)] + tokens.english() * 20)
