import torch
import torch.nn.functional as F
from torch import nn

from common import tell, waves, weights

# ANCHOR: model
generator = nn.Sequential(nn.Linear(2, 16), nn.ReLU(), nn.Linear(16, 4))
discriminator = nn.Sequential(nn.Linear(4, 16), nn.LeakyReLU(0.2), nn.Linear(16, 1))
opt_g = torch.optim.Adam(generator.parameters(), lr=2e-3, betas=(0.5, 0.999))
opt_d = torch.optim.Adam(discriminator.parameters(), lr=2e-3, betas=(0.5, 0.999))
ones, zeros = torch.ones(8, 1), torch.zeros(8, 1)
# ANCHOR_END: model
weights("generator", generator)
weights("discriminator", discriminator)
losses_d, losses_g = [], []

# ANCHOR: train
for step in range(6):
    real, z = waves(8, 4, phase=step), waves(8, 2, phase=-step)
    # The discriminator.
    opt_d.zero_grad()
    fake = generator(z).detach()
    loss_d = F.binary_cross_entropy_with_logits(discriminator(real), ones)
    loss_d = loss_d + F.binary_cross_entropy_with_logits(discriminator(fake), zeros)
    loss_d.backward()
    opt_d.step()
    # The generator.
    opt_g.zero_grad()
    loss_g = F.binary_cross_entropy_with_logits(discriminator(generator(z)), ones)
    loss_g.backward()
    opt_g.step()
    losses_d.append(loss_d.item())
    losses_g.append(loss_g.item())
# ANCHOR_END: train
tell("losses of the discriminator", losses_d)
tell("losses of the generator", losses_g)
with torch.no_grad():
    tell("samples", generator(waves(3, 2)))
