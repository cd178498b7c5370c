import torch
import torch.nn.functional as F
from torch import nn

from common import labels, tell, weights


# ANCHOR: lstm
class Tagger(nn.Module):
    def __init__(self):
        super().__init__()
        self.words = nn.Embedding(20, 8)
        self.lstm = nn.LSTM(8, 12, num_layers=2, batch_first=True)
        self.tags = nn.Linear(12, 5)

    def forward(self, x):                            # [N, T] of whole numbers
        y, (h, c) = self.lstm(self.words(x))
        return self.tags(y)                          # [N, T, 5]


tagger = Tagger()
optimizer = torch.optim.Adam(tagger.parameters(), lr=1e-2)
# ANCHOR_END: lstm
weights("tagger", tagger)
losses = []

# ANCHOR: train
for length in (6, 9, 6, 4):
    x, y = labels(3, length, classes=20), labels(3, length, classes=5)
    optimizer.zero_grad()
    loss = F.cross_entropy(tagger(x).transpose(1, 2), y, ignore_index=0)
    loss.backward()
    optimizer.step()
    losses.append(loss.item())
# ANCHOR_END: train
tell("losses", losses)


# ANCHOR: attention
class Reader(nn.Module):
    def __init__(self):
        super().__init__()
        self.words = nn.Embedding(20, 8)
        self.places = nn.Embedding(10, 8)
        self.attn = nn.MultiheadAttention(8, 2, batch_first=True)
        self.norm = nn.LayerNorm(8)
        self.out = nn.Linear(8, 1)

    def forward(self, x, padding):                   # padding: [N, 10], True where there is nothing
        h = self.words(x) + self.places(torch.arange(10))
        y, _ = self.attn(h, h, h, key_padding_mask=padding, need_weights=False)
        h = self.norm(h + y)
        return self.out(h[:, 0])
# ANCHOR_END: attention


reader = Reader()
weights("reader", reader)
padding = torch.arange(10) >= torch.tensor([[10], [7]])
with torch.no_grad():
    tell("reader", reader(labels(2, 10, classes=20), padding))
