import torch
import torch.nn.functional as F
from torch import nn

from common import labels, tell, waves, weights


# ANCHOR: model
class Placed(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Linear(6, 8)
        self.body = nn.Linear(8, 8)
        self.scores = nn.Linear(8, 3)
        self.place = nn.Linear(8, 2)
        self.stem.requires_grad_(False)              # frozen

    def forward(self, image, shift):
        h = torch.relu(self.body(torch.relu(self.stem(image))))
        place = self.place(h.detach()) + shift       # trains `place` alone
        return self.scores(h), place
# ANCHOR_END: model


net = Placed()
weights("several", net)
image, shift = waves(4, 6), waves(4, 2, phase=1.0)
classes, places = labels(4, classes=3), waves(4, 2, phase=2.0)
losses = []

# ANCHOR: train
optimizer = torch.optim.RMSprop(net.parameters(), lr=1e-2)
for _ in range(5):
    optimizer.zero_grad()
    scores, place = net(image, shift)
    loss = F.cross_entropy(scores, classes) + 0.5 * F.mse_loss(place, places)
    loss.backward()
    optimizer.step()
    losses.append(loss.item())
# ANCHOR_END: train
tell("losses", losses)
with torch.no_grad():
    scores, place = net(image, shift)
tell("scores", scores)
tell("place", place)
