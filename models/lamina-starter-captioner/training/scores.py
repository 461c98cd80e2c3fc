"""BLEU-4 and CIDEr-D of captions against several references each.

BLEU: Papineni et al. 2002, over the whole set, with the brevity penalty of the closest reference. CIDEr-D: Vedantam et al.
2015, as it is commonly computed: n-grams of 1 to 4 words, clipped counts, length penalty with deviation 6, times 10, document
frequencies of the references of the set itself.
"""

import math
import re
from collections import Counter


def split(text: str) -> list[str]:
    return re.findall(r"[a-z0-9'-]+", text.lower())


def grams(tokens: list[str], n: int) -> Counter:
    return Counter(tuple(tokens[i : i + n]) for i in range(len(tokens) - n + 1))


def bleu4(said: list[str], references: list[list[str]]) -> float:
    hits, total = [0] * 4, [0] * 4
    length = wanted = 0
    for text, others in zip(said, references):
        tokens, others = split(text), [split(o) for o in others]
        length += len(tokens)
        wanted += min((abs(len(o) - len(tokens)), len(o)) for o in others)[1]
        for n in range(4):
            mine = grams(tokens, n + 1)
            most = Counter()
            for other in others:
                most |= grams(other, n + 1)
            hits[n] += sum((mine & most).values())
            total[n] += sum(mine.values())
    if not all(hits):
        return 0.0
    precision = sum(math.log(h / t) for h, t in zip(hits, total)) / 4
    return math.exp(precision + min(0.0, 1 - wanted / max(1, length)))


def cider_d(said: list[str], references: list[list[str]]) -> float:
    documents = Counter()
    for others in references:
        documents.update({g for o in others for n in range(4) for g in grams(split(o), n + 1)})
    every = math.log(max(2, len(references)))

    def vectors(tokens):
        out = []
        for n in range(4):
            weights = {g: c * (every - math.log(max(1, documents[g]))) for g, c in grams(tokens, n + 1).items()}
            out.append((weights, math.sqrt(sum(w * w for w in weights.values()))))
        return out

    scores = []
    for text, others in zip(said, references):
        tokens = split(text)
        mine = vectors(tokens)
        score = 0.0
        for other in map(split, others):
            penalty = math.exp(-((len(tokens) - len(other)) ** 2) / 72)
            for (a, norm_a), (b, norm_b) in zip(mine, vectors(other)):
                if norm_a and norm_b:
                    score += penalty * sum(min(w, b[g]) * b[g] for g, w in a.items() if g in b) / norm_a / norm_b / 4
        scores.append(10 * score / len(others))
    return sum(scores) / len(scores)
