"""The trained parts: image head on the frozen trunk's features, and the text tower."""

import torch
from torch import nn

import trunk

DIMENSION = 256
TEXT_WIDTH = 192
GRID_WIDTH = 40


class ImageHead(nn.Module):
    """Grid averages, maxima and early features -> 256. Inputs are standardised with fixed statistics."""

    def __init__(self, mean: torch.Tensor, scale: torch.Tensor):
        super().__init__()
        self.register_buffer("mean", mean)
        self.register_buffer("scale", scale)
        self.place = nn.Linear(1280, GRID_WIDTH)
        inner = 1280 + 1280 + 9 * GRID_WIDTH + trunk.DETAIL
        self.reduce = nn.Linear(inner, DIMENSION)
        self.norm = nn.LayerNorm(DIMENSION)
        self.expand = nn.Linear(DIMENSION, 640)
        self.contract = nn.Linear(640, DIMENSION)
        nn.init.normal_(self.contract.weight, std=0.01)
        self.register_buffer("centre", torch.zeros(DIMENSION))

    def forward(self, rows: torch.Tensor, drop: float = 0.0) -> torch.Tensor:
        rows = (rows - self.mean) * self.scale
        grid = rows[:, : trunk.GRID].reshape(-1, 9, 1280)
        average = grid.mean(1)
        maximum = rows[:, trunk.GRID : trunk.GRID + trunk.MAXIMUM]
        detail = rows[:, trunk.GRID + trunk.MAXIMUM :]
        places = self.place(grid).flatten(1)
        inner = torch.cat([average * 2.0, maximum, places, detail], 1)
        inner = nn.functional.dropout(inner, drop, self.training)
        base = self.reduce(inner)
        return base + self.contract(torch.relu(self.expand(self.norm(base)))) - self.centre


class Block(nn.Module):
    """Pre-norm transformer layer with explicit attention (plain operators, for export)."""

    def __init__(self, width: int, heads: int):
        super().__init__()
        self.heads = heads
        self.first = nn.LayerNorm(width)
        self.joint = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)
        self.second = nn.LayerNorm(width)
        self.expand = nn.Linear(width, 2 * width)
        self.contract = nn.Linear(2 * width, width)

    def forward(self, x, bias):
        batch, length, width = x.shape
        q, k, v = self.joint(self.first(x)).reshape(batch, length, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        weight = (q @ k.transpose(-1, -2)) * (q.shape[-1] ** -0.5) + bias
        mixed = (weight.softmax(-1) @ v).transpose(1, 2).reshape(batch, length, width)
        x = x + self.out(mixed)
        return x + self.contract(torch.relu(self.expand(self.second(x))))


class TextTower(nn.Module):
    """Two small transformer layers, masked mean, projection to 256."""

    def __init__(self, vocabulary: int, length: int = 32, width: int = TEXT_WIDTH):
        super().__init__()
        self.tokens = nn.Embedding(vocabulary, width)
        self.positions = nn.Embedding(length, width)
        nn.init.normal_(self.tokens.weight, std=0.05)
        nn.init.normal_(self.positions.weight, std=0.02)
        self.blocks = nn.ModuleList([Block(width, 3), Block(width, 3)])
        self.norm = nn.LayerNorm(width)
        self.project = nn.Linear(width, DIMENSION)

    def forward(self, input_ids, attention_mask):
        keep = attention_mask.to(torch.float32)
        bias = (1.0 - keep)[:, None, None, :] * -10000.0
        x = self.tokens(input_ids) + self.positions.weight[: input_ids.shape[1]]
        for block in self.blocks:
            x = block(x, bias)
        x = self.norm(x) * keep.unsqueeze(-1)
        return self.project(x.sum(1) / keep.sum(1, keepdim=True))
