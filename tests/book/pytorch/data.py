import torch
from torch.utils.data import DataLoader, Dataset, Subset

from common import tell


# ANCHOR: source
class Squares(Dataset):
    def __init__(self, count):
        self.count = count

    def __len__(self):
        return self.count

    def __getitem__(self, index):
        x = torch.tensor([float(index)])
        return x, index % 3


data = Subset(Squares(100), range(10, 90))
loader = DataLoader(data, batch_size=32, drop_last=True, num_workers=2)
# ANCHOR_END: source

# ANCHOR: loop
sums = []
for epoch in range(2):
    for x, y in loader:
        sums.append((x.sum() + y.sum()).item())
# ANCHOR_END: loop
tell("sums", sums)
