import torch
import torch.nn.functional as F
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from common import labels, tell, waves, weights

net = nn.Sequential(nn.Linear(6, 16), nn.Tanh(), nn.Linear(16, 3))
weights("training", net)
x, y = waves(32, 6), labels(32, classes=3)
batches = list(zip(x.split(8), y.split(8)))
losses = []

# ANCHOR: optimizer
decayed = [p for p in net.parameters() if p.ndim > 1]
others = [p for p in net.parameters() if p.ndim <= 1]
optimizer = torch.optim.AdamW(
    [{"params": decayed}, {"params": others, "weight_decay": 0.0}],
    lr=1e-2, betas=(0.9, 0.99), weight_decay=0.1,
)
schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=12)
averaged = AveragedModel(net, multi_avg_fn=get_ema_multi_avg_fn(0.9))
# ANCHOR_END: optimizer

# ANCHOR: loop
net.train()
for epoch in range(3):
    for images, targets in batches:
        optimizer.zero_grad()
        loss = F.cross_entropy(net(images), targets, label_smoothing=0.1)
        loss.backward()
        nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        averaged.update_parameters(net)
        losses.append(loss.item())
# ANCHOR_END: loop
tell("losses", losses)

# ANCHOR: evaluate
net.eval()
with torch.no_grad():
    scores = net(x)
    loss = F.cross_entropy(scores, y, label_smoothing=0.1)
    accuracy = (scores.argmax(1) == y).float().mean()
    smooth = averaged(x)
# ANCHOR_END: evaluate
tell("evaluation", [loss, accuracy])
tell("averaged", smooth[:4])

# ANCHOR: accumulate
optimizer = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9)
optimizer.zero_grad()
for i, (images, targets) in enumerate(batches):
    loss = F.cross_entropy(net(images), targets)
    (loss / 2).backward()
    if (i + 1) % 2 == 0:
        optimizer.step()
        optimizer.zero_grad()
# ANCHOR_END: accumulate
with torch.no_grad():
    tell("accumulated", net(x[:4]))
