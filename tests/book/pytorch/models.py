from collections import OrderedDict

import torch
import torch.nn.functional as F
from torch import nn

from common import tell, waves, weights

# ANCHOR: straight
straight = nn.Sequential(OrderedDict(
    conv=nn.Conv2d(1, 4, 3, padding=1),
    norm=nn.BatchNorm2d(4),
    act=nn.ReLU(),
    pool=nn.MaxPool2d(2),
    flatten=nn.Flatten(),
    fc=nn.Linear(64, 3),
))
# ANCHOR_END: straight
weights("straight", straight)
straight.eval()
tell("straight", straight(waves(2, 1, 8, 8)))


# ANCHOR: residual
class Residual(nn.Module):
    def __init__(self):
        super().__init__()
        self.blocks = nn.ModuleList([nn.Linear(10, 10) for _ in range(3)])
        self.scale = nn.Parameter(torch.ones(10))
        self.norm = nn.LayerNorm(10)
        self.head = nn.Sequential(nn.Linear(20, 8), nn.ReLU(), nn.Linear(8, 2, bias=False))

    def forward(self, x):
        first = x
        for block in self.blocks:
            x = x + F.gelu(block(x)) * self.scale
        x = torch.cat((self.norm(x), first), dim=1)
        return self.head(x)
# ANCHOR_END: residual


residual = Residual()
weights("residual", residual)
tell("residual", residual(waves(2, 10)))
