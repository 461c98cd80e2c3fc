"""The trained part: tags from pooled features of the trunk and from the ImageNet classifier's groups."""

import numpy as np
import torch
from torch import nn

import grid

HIDDEN = 256
POOLED = 2 * grid.LAST + grid.EARLY  # averages and maxima of the last features, averages of the early ones
LIMIT = 9.0  # of the log-odds of a group


def pooled(rows: np.ndarray) -> np.ndarray:
    """Grid features [n,49,WIDTH] -> [n,POOLED]."""
    rows = rows.astype(np.float32)
    mean = rows.mean(1)
    return np.concatenate([mean[:, : grid.LAST], rows[:, :, : grid.LAST].max(1), mean[:, grid.LAST :]], 1)


def group_odds(average: np.ndarray, weight, bias, member) -> np.ndarray:
    """Log-odds [n,tags] that one of a tag's ImageNet classes is seen; -LIMIT where it has none."""
    logits = average @ weight.T + bias
    chance = np.exp(logits - logits.max(1, keepdims=True))
    share = (chance / chance.sum(1, keepdims=True)) @ member
    share = share.clip(1e-6, 1 - 1e-6)
    return np.log(share / (1 - share)).clip(-LIMIT, LIMIT).astype(np.float32)


class Tagger(nn.Module):
    """`trained` tags are learnt; the others are their group's log-odds, lowered on drawings and satellite photos."""

    def __init__(self, mean, scale, tags: int, trained: int, unlike: list[int]):
        super().__init__()
        self.register_buffer("mean", mean)
        self.register_buffer("scale", scale)
        self.trained, self.unlike = trained, unlike
        self.reduce = nn.Linear(POOLED, HIDDEN)
        self.given = nn.Linear(HIDDEN, trained)
        self.direct = nn.Parameter(torch.full((trained,), 0.1))
        nn.init.constant_(self.given.bias, -2.0)

    def forward(self, rows, odds, drop: float = 0.0):
        rows = (rows - self.mean) * self.scale
        rows = nn.functional.dropout(rows, drop, self.training)
        hidden = torch.relu(self.reduce(rows))
        hidden = nn.functional.dropout(hidden, drop, self.training)
        own = self.given(hidden) + self.direct * odds[:, : self.trained]
        out_of_place = torch.relu(own[:, self.unlike] + 2.0).sum(1, keepdim=True)
        return torch.cat([own, odds[:, self.trained :] - out_of_place], 1)
