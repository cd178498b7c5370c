import torch
from torch import nn

from common import HERE, tell, waves, weights


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.backbone = nn.Linear(4, 8)
        self.head = nn.Linear(8, 2)

    def forward(self, x):
        return self.head(torch.relu(self.backbone(x)))


torch.manual_seed(1)
other = Net()
weights("other", other)
torch.manual_seed(0)
net = Net()
weights("saving", net)
wrapped = nn.DataParallel(Net())
weights("wrapped", wrapped)
folder = HERE / "weights"
x = waves(2, 4)

# ANCHOR: load
net.load_state_dict(torch.load(folder / "other.pth"))                   # all of it
state = torch.load(folder / "saving.pth")
backbone = {name.removeprefix("backbone."): tensor for name, tensor in state.items() if name.startswith("backbone.")}
net.backbone.load_state_dict(backbone)                                  # a part
# ANCHOR_END: load
with torch.no_grad():
    tell("a part", net(x))

# ANCHOR: rename
state = torch.load(folder / "wrapped.pth")
state = {name.removeprefix("module."): tensor for name, tensor in state.items()}
del state["head.bias"]
keys = net.load_state_dict(state, strict=False)
# ANCHOR_END: rename
tell("missing", [len(keys.missing_keys)])
with torch.no_grad():
    tell("renamed", net(x))
