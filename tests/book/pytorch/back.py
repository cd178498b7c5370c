import torch
from torch import nn

from common import HERE, tell, waves

net = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Flatten(), nn.Linear(32, 3))
path = HERE / "weights" / "back.safetensors"

# ANCHOR: load
from safetensors.torch import load_file

net.load_state_dict(load_file(path))
# ANCHOR_END: load
net.eval()
with torch.no_grad():
    tell("from Kiln", net(waves(2, 1, 6, 6)))
