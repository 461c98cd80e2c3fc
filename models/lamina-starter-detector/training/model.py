"""The trained part: a feature pyramid and the YOLOX head on three feature maps of the frozen trunk."""

import torch
from torch import nn
from torch.nn import functional

STRIDES = (8, 16, 32)
TAKEN = (32, 96, 320)  # channels of t22, t48, t62
WIDTHS = (48, 112, 160)


def joined(taken: int, given: int, size: int = 1, groups: int = 1) -> nn.Sequential:
    """Convolution and batch norm."""
    return nn.Sequential(nn.Conv2d(taken, given, size, padding=size // 2, groups=groups, bias=False), nn.BatchNorm2d(given))


class Block(nn.Module):
    """Widen, look around (depthwise), narrow, add."""

    def __init__(self, width: int, around: int = 3, expand: int = 1):
        super().__init__()
        inner = width * expand
        self.widen = joined(width, inner)
        self.around = joined(inner, inner, around, inner)
        self.narrow = joined(inner, width)

    def forward(self, x):
        inner = functional.relu(self.around(functional.relu(self.widen(x))))
        return functional.relu(x + self.narrow(inner))


class Head(nn.Module):
    """Class scores from one branch, box and objectness from another."""

    def __init__(self, width: int, classes: int):
        super().__init__()
        self.first, self.second = Block(width), Block(width)
        self.classes = nn.Conv2d(width, classes, 1)
        self.box = nn.Conv2d(width, 5, 1)
        nn.init.constant_(self.classes.bias, -3.0)
        nn.init.zeros_(self.box.bias)
        nn.init.constant_(self.box.bias[4:], -4.0)

    def forward(self, x):
        box = self.box(self.second(x))
        return torch.cat([box, self.classes(self.first(x))], 1)


class Detector(nn.Module):
    def __init__(self, classes: int):
        super().__init__()
        self.taken = nn.ModuleList(nn.BatchNorm2d(n) for n in TAKEN)
        self.lateral = nn.ModuleList(joined(t, w) for t, w in zip(TAKEN, WIDTHS))
        self.blocks = nn.ModuleList(Block(w, 5, e) for w, e in zip(WIDTHS, (1, 2, 2)))
        self.down = nn.ModuleList([nn.Conv2d(WIDTHS[2], WIDTHS[1], 1), nn.Conv2d(WIDTHS[1], WIDTHS[0], 1)])
        self.up = nn.ModuleList([nn.Conv2d(WIDTHS[0], WIDTHS[1], 1), nn.Conv2d(WIDTHS[1], WIDTHS[2], 1)])
        self.again = nn.ModuleList([Block(WIDTHS[1]), Block(WIDTHS[2], 3, 2)])
        self.heads = nn.ModuleList(Head(w, classes) for w in WIDTHS)

    def forward(self, p3, p4, p5):
        """-> [n, cells, 5 + classes]: offset, log size, objectness and classes, the last two before the sigmoid."""
        a, b, c = (functional.relu(l(n(x))) for l, n, x in zip(self.lateral, self.taken, (p3, p4, p5)))
        c = self.blocks[2](c)
        b = self.blocks[1](b + functional.interpolate(self.down[0](c), scale_factor=2.0, mode="nearest"))
        a = self.blocks[0](a + functional.interpolate(self.down[1](b), scale_factor=2.0, mode="nearest"))
        b = self.again[0](b + functional.avg_pool2d(self.up[0](a), 2))
        c = self.again[1](c + functional.avg_pool2d(self.up[1](b), 2))
        return torch.cat([h(x).flatten(2).transpose(1, 2) for h, x in zip(self.heads, (a, b, c))], 1)


def cells(side: int) -> tuple[torch.Tensor, torch.Tensor]:
    """(x, y) of the upper left corners of all cells in units of their stride [A,2], and the strides [A,1]."""
    corners, strides = [], []
    for stride in STRIDES:
        n = side // stride
        y, x = torch.meshgrid(torch.arange(n), torch.arange(n), indexing="ij")
        corners.append(torch.stack([x, y], -1).reshape(-1, 2))
        strides.append(torch.full((n * n, 1), stride))
    return torch.cat(corners).float(), torch.cat(strides).float()


def corners(raw: torch.Tensor, grid: torch.Tensor, strides: torch.Tensor) -> torch.Tensor:
    """Boxes [.., A, 4] as corners in pixels, from the first four raw values."""
    middle = (raw[..., :2] + grid) * strides
    half = raw[..., 2:4].clamp(max=5.0).exp() * strides / 2
    return torch.cat([middle - half, middle + half], -1)
