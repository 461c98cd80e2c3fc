"""Average-linkage clusters of a small set: what the cluster levels are chosen on."""

import numpy as np


def merges(vectors: np.ndarray) -> list[tuple[float, int, int]]:
    """All merges (distance, kept, absorbed) in order of distance."""
    count = len(vectors)
    distance = 1 - vectors @ vectors.T
    np.fill_diagonal(distance, np.inf)
    size = np.ones(count)
    nearest = distance.argmin(1)
    best = distance[np.arange(count), nearest]
    out = []
    for _ in range(count - 1):
        a = int(best.argmin())
        b = int(nearest[a])
        out.append((float(best[a]), a, b))
        row = (size[a] * distance[a] + size[b] * distance[b]) / (size[a] + size[b])
        size[a] += size[b]
        row[a] = row[b] = np.inf
        distance[a], distance[:, a] = row, row
        distance[b], distance[:, b] = np.inf, np.inf
        best[b] = np.inf
        stale = np.flatnonzero((nearest == a) | (nearest == b))
        for i in {a, *stale.tolist()}:
            nearest[i] = int(distance[i].argmin())
            best[i] = distance[i, nearest[i]]
        better = np.flatnonzero(row < best)
        nearest[better], best[better] = a, row[better]
        best[b] = np.inf
    return out


def clusters(joined, count: int, limit: float) -> np.ndarray:
    """Cluster of each item when merges up to `limit` are made."""
    parent = np.arange(count)

    def root(i):
        while parent[i] != i:
            i = parent[i]
        return i

    for distance, a, b in joined:
        if distance > limit:
            continue
        parent[root(b)] = root(a)
    return np.array([root(i) for i in range(count)])


def agreement(found: np.ndarray, keys: list) -> dict:
    """Number of clusters, and precision, recall and F1 of same-class pairs."""
    codes = np.unique(np.array(keys), return_inverse=True)[1]
    upper = np.triu(np.ones((len(codes), len(codes)), bool), 1)
    together = (found[:, None] == found[None]) & upper
    same = (codes[:, None] == codes[None]) & upper
    hit = (together & same).sum()
    precision, recall = hit / max(1, together.sum()), hit / same.sum()
    f1 = 2 * precision * recall / max(1e-9, precision + recall)
    return {"clusters": len(set(found)), "precision": round(float(precision), 3), "recall": round(float(recall), 3), "f1": round(float(f1), 3)}
