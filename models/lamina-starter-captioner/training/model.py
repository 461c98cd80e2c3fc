"""The trained part: cells of the frozen trunk to vectors, and a small decoder that attends to them."""

import torch
from torch import nn
from torch.nn import functional

import grid

WIDTH = 256
HEADS = 4
LAYERS = 2
INNER = 768
LENGTH = 24  # tokens, the start included


class Encoder(nn.Module):
    def __init__(self, mean, scale):
        super().__init__()
        self.register_buffer("mean", mean)
        self.register_buffer("scale", scale)
        self.project = nn.Linear(grid.WIDTH, WIDTH)
        self.place = nn.Parameter(torch.randn(grid.CELLS, WIDTH) * 0.02)
        self.norm = nn.LayerNorm(WIDTH)

    def forward(self, cells):
        return self.norm(self.project((cells - self.mean) * self.scale) + self.place)


class Attention(nn.Module):
    def __init__(self):
        super().__init__()
        self.query, self.key, self.value, self.out = (nn.Linear(WIDTH, WIDTH) for _ in range(4))

    def split(self, x):
        return x.unflatten(-1, (HEADS, WIDTH // HEADS)).transpose(1, 2)

    def forward(self, x, over, causal: bool):
        q, k, v = self.split(self.query(x)), self.split(self.key(over)), self.split(self.value(over))
        mixed = functional.scaled_dot_product_attention(q, k, v, is_causal=causal)
        return self.out(mixed.transpose(1, 2).flatten(2))


class Layer(nn.Module):
    def __init__(self):
        super().__init__()
        self.own, self.other = Attention(), Attention()
        self.norm1, self.norm2, self.norm3 = (nn.LayerNorm(WIDTH) for _ in range(3))
        self.widen, self.narrow = nn.Linear(WIDTH, INNER), nn.Linear(INNER, WIDTH)

    def forward(self, x, cells, drop):
        seen = self.norm1(x)
        x = x + drop(self.own(seen, seen, True))
        x = x + drop(self.other(self.norm2(x), cells, False))
        return x + drop(self.narrow(torch.relu(self.widen(self.norm3(x)))))


class Decoder(nn.Module):
    """Embeddings are shared with the output."""

    def __init__(self, vocabulary: int, drop: float = 0.1):
        super().__init__()
        self.tokens = nn.Embedding(vocabulary, WIDTH)
        self.places = nn.Embedding(LENGTH, WIDTH)
        nn.init.normal_(self.tokens.weight, std=0.04)
        nn.init.normal_(self.places.weight, std=0.02)
        self.layers = nn.ModuleList(Layer() for _ in range(LAYERS))
        self.norm = nn.LayerNorm(WIDTH)
        self.drop = nn.Dropout(drop)

    def forward(self, ids, cells):
        x = self.drop(self.tokens(ids) + self.places.weight[: ids.shape[1]])
        for layer in self.layers:
            x = layer(x, cells, self.drop)
        return self.norm(x) @ self.tokens.weight.T
