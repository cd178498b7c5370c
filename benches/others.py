#!/usr/bin/env python3
"""Kiln, PyTorch and ONNX Runtime on small networks that are none of the suite: nobody has tuned anything for them.

    python/run-tests                                        # builds the package `kiln`
    pip install torch onnx onnxruntime                      # beside it
    benches/others.py [--threads 1] [--seconds 0.3] [--only unet,vit] [--turns 2]

Each network is declared in PyTorch and exported as an ONNX file, which Kiln trains (SGD, mean squared error, the same
numbers) and with which ONNX Runtime predicts one sample. Microseconds of the shortest step, in turns; PyTorch's is the
better one of both memory formats. The loss of the third step has to be PyTorch's. For quiet figures: `taskset -c 1`.
"""
import argparse
import io
import math
import tempfile
import time
import warnings

import kiln
import numpy as np
import onnxruntime
import torch
from torch import nn
from torch.nn import (Conv1d, Conv2d, ConvTranspose2d, Flatten, GELU, GroupNorm, LayerNorm, LeakyReLU, Linear,
                      MaxPool2d, ReLU, Sequential, Tanh)


class Plus(nn.Module):
    """What a body adds to its input."""

    def __init__(self, *body):
        super().__init__()
        self.body = Sequential(*body)

    def forward(self, x):
        return x + self.body(x)


class Beside(nn.Module):
    """Bodies beside one another, along the channels."""

    def __init__(self, *bodies):
        super().__init__()
        self.bodies = nn.ModuleList(bodies)

    def forward(self, x):
        return torch.cat([body(x) for body in self.bodies], 1)


class Do(nn.Module):
    """A function."""

    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, x):
        return self.function(x)


class Attention(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.qkv, self.out, self.heads = Linear(width, 3 * width), Linear(width, width), heads

    def forward(self, x):
        length, width = x.shape[1:]
        q, k, v = self.qkv(x).reshape(-1, length, 3, self.heads, width // self.heads).permute(2, 0, 3, 1, 4)
        y = (q @ k.transpose(-2, -1) / math.sqrt(width // self.heads)).softmax(-1) @ v
        return self.out(y.transpose(1, 2).reshape(-1, length, width))


class UNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.down = nn.ModuleList([twice(1, 16), twice(16, 32), twice(32, 64)])
        self.up = nn.ModuleList([ConvTranspose2d(64, 32, 2, 2), ConvTranspose2d(32, 16, 2, 2)])
        self.merge, self.last = nn.ModuleList([twice(64, 32), twice(32, 16)]), Conv2d(16, 2, 1)

    def forward(self, x):
        a = self.down[0](x)
        b = self.down[1](nn.functional.max_pool2d(a, 2))
        c = self.down[2](nn.functional.max_pool2d(b, 2))
        d = self.merge[0](torch.cat([self.up[0](c), b], 1))
        return self.last(self.merge[1](torch.cat([self.up[1](d), a], 1))).flatten(1)


def twice(a, b):
    return Sequential(Conv2d(a, b, 3, 1, 1), ReLU(), Conv2d(b, b, 3, 1, 1), ReLU())


def times(count, layers):
    return [layer for _ in range(count) for layer in layers()]


def mean(*axes):
    return Do(lambda x: x.mean(axes))


def turned(*order):
    return Do(lambda x: x.permute(*order))


def separable(a, b, stride):
    return [Conv2d(a, a, 3, stride, 1, groups=a), ReLU(), Conv2d(a, b, 1), ReLU()]


def inverted(width, kernel):
    wide = 4 * width
    return Plus(Conv2d(width, wide, 1), ReLU(), Conv2d(wide, wide, kernel, 1, kernel // 2, groups=wide), ReLU(),
                Conv2d(wide, width, 1))


def convnext(width):
    return Plus(Conv2d(width, width, 7, 1, 3, groups=width), turned(0, 2, 3, 1), LayerNorm(width),
                Linear(width, 4 * width), GELU(), Linear(4 * width, width), turned(0, 3, 1, 2))


def fire(a, squeezed, each):
    return Sequential(Conv2d(a, squeezed, 1), ReLU(), Beside(Sequential(Conv2d(squeezed, each, 1), ReLU()),
                                                              Sequential(Conv2d(squeezed, each, 3, 1, 1), ReLU())))


def dense(a, more):
    return Beside(nn.Identity(), Sequential(ReLU(), Conv2d(a, more, 3, 1, 1)))


def encoder(width, heads):
    return [Plus(LayerNorm(width), Attention(width, heads)),
            Plus(LayerNorm(width), Linear(width, 4 * width), GELU(), Linear(4 * width, width))]


# The network of each name, with its batch and the shape of a sample.
NETWORKS = {
    "dilated2": (8, (64, 32, 32), lambda: [*times(4, lambda: [Conv2d(64, 64, 3, 1, 2, 2), ReLU()]), mean(2, 3)]),
    "dilated5x5": (4, (32, 48, 48), lambda: [*times(3, lambda: [Conv2d(32, 32, 5, 1, 6, 3), ReLU()]), mean(2, 3)]),
    "mobile": (16, (3, 64, 64), lambda: [
        Conv2d(3, 16, 3, 2, 1), ReLU(), *separable(16, 32, 1), *separable(32, 64, 2), *separable(64, 64, 1),
        *separable(64, 128, 2), *separable(128, 128, 1), mean(2, 3)]),
    "inverted": (8, (24, 28, 28), lambda: [*times(3, lambda: [inverted(24, 5)]), mean(2, 3)]),
    "unet": (4, (1, 64, 64), lambda: [UNet()]),
    "decoder": (16, (64,), lambda: [
        Linear(64, 4096), ReLU(), nn.Unflatten(1, (256, 4, 4)), ConvTranspose2d(256, 128, 4, 2, 1), ReLU(),
        ConvTranspose2d(128, 64, 4, 2, 1), ReLU(), ConvTranspose2d(64, 3, 4, 2, 1), Tanh(), Flatten()]),
    "decoder3x3": (8, (32, 8, 8), lambda: [
        ConvTranspose2d(32, 32, 3, 2, 1, 1), ReLU(), ConvTranspose2d(32, 16, 3, 2, 1, 1), ReLU(),
        ConvTranspose2d(16, 16, 5, 2, 2, 1), ReLU(), ConvTranspose2d(16, 3, 7, 1, 3), Flatten()]),
    "wavenet": (4, (64, 2048), lambda: [
        *[layer for d in (1, 2, 4, 8, 16, 32, 64, 128)
          for layer in (nn.ZeroPad1d((d, 0)), Conv1d(64, 64, 2, dilation=d), ReLU())], mean(2)]),
    "tcn": (8, (32, 1024), lambda: [*times(5, lambda: [Conv1d(32, 32, 7, padding=3), ReLU()]), mean(2)]),
    "linear4096": (4, (4096,), lambda: [Linear(4096, 4096), ReLU(), Linear(4096, 10)]),
    "mlp1024": (256, (1024,), lambda: times(4, lambda: [Linear(1024, 1024), ReLU()])),
    "mlp64": (1024, (64,), lambda: times(8, lambda: [Linear(64, 64), Tanh()])),
    "mlp_odd": (7, (100,), lambda: [Linear(100, 300), ReLU(), Linear(300, 150), ReLU(), Linear(150, 50)]),
    "resnext": (8, (128, 16, 16), lambda: [*times(3, lambda: [Plus(
        Conv2d(128, 128, 1), ReLU(), Conv2d(128, 128, 3, 1, 1, groups=8), ReLU(), Conv2d(128, 128, 1))]), mean(2, 3)]),
    "bottleneck": (8, (256, 14, 14), lambda: [*times(3, lambda: [Plus(
        Conv2d(256, 64, 1), ReLU(), Conv2d(64, 64, 3, 1, 1), ReLU(), Conv2d(64, 256, 1))]), mean(2, 3)]),
    "pyramid": (4, (3, 96, 96), lambda: [
        *[layer for a, b in ((3, 32), (32, 64), (64, 128), (128, 256)) for layer in (Conv2d(a, b, 3, 2, 1), ReLU())],
        mean(2, 3)]),
    "stem7x7": (4, (3, 112, 112), lambda: [Conv2d(3, 64, 7, 2, 3), ReLU(), MaxPool2d(3, 2, 1), mean(2, 3)]),
    "lenet5x5": (32, (16, 28, 28), lambda: [
        Conv2d(16, 32, 5, 1, 2), ReLU(), MaxPool2d(2), Conv2d(32, 64, 5, 1, 2), ReLU(), mean(2, 3)]),
    "volumes": (2, (8, 16, 16, 16), lambda: [
        nn.Conv3d(8, 16, 3, 1, 1), ReLU(), nn.Conv3d(16, 16, 3, 1, 1), ReLU(), nn.MaxPool3d(2),
        nn.Conv3d(16, 32, 3, 1, 1), ReLU(), mean(2, 3, 4)]),
    "vit": (16, (3, 32, 32), lambda: [
        Conv2d(3, 192, 4, 4), Flatten(2), turned(0, 2, 1), *encoder(192, 3), *encoder(192, 3), mean(1)]),
    "mixer": (16, (64, 128), lambda: [*times(3, lambda: [
        Plus(turned(0, 2, 1), Linear(64, 128), GELU(), Linear(128, 64), turned(0, 2, 1)),
        Plus(LayerNorm(128), Linear(128, 256), GELU(), Linear(256, 128))]), mean(1)]),
    "group_norm": (8, (32, 32, 32), lambda: [*times(3, lambda: [Plus(
        GroupNorm(8, 32), ReLU(), Conv2d(32, 32, 3, 1, 1), GroupNorm(8, 32), ReLU(), Conv2d(32, 32, 3, 1, 1))]),
        mean(2, 3)]),
    "asymmetric": (8, (64, 17, 17), lambda: [
        Conv2d(64, 64, (1, 7), 1, (0, 3)), ReLU(), Conv2d(64, 64, (7, 1), 1, (3, 0)), ReLU(),
        Conv2d(64, 96, (1, 3), 1, (0, 1)), ReLU(), Conv2d(96, 96, (3, 1), 1, (1, 0)), ReLU(), mean(2, 3)]),
    "convnext": (4, (48, 28, 28), lambda: [convnext(48), convnext(48), Conv2d(48, 96, 2, 2), convnext(96), mean(2, 3)]),
    "squeeze": (8, (3, 64, 64), lambda: [
        Conv2d(3, 32, 3, 2, 1), ReLU(), MaxPool2d(3, 2, 1), fire(32, 16, 32), fire(64, 16, 32), MaxPool2d(3, 2, 1),
        fire(64, 32, 64), mean(2, 3)]),
    "densenet": (8, (24, 24, 24), lambda: [
        *[dense(a, 12) for a in (24, 36, 48, 60)], nn.AvgPool2d(2), Conv2d(72, 36, 1), dense(36, 12), dense(48, 12),
        mean(2, 3)]),
    "autoencoder": (128, (784,), lambda: [
        *[layer for a, b in ((784, 256), (256, 64), (64, 16), (16, 64), (64, 256)) for layer in (Linear(a, b), ReLU())],
        Linear(256, 784), nn.Sigmoid()]),
    "patches": (8, (3, 64, 64), lambda: [
        Conv2d(3, 96, 4, 4), GELU(), Conv2d(96, 192, 2, 2), GELU(), Conv2d(192, 384, 2, 2), mean(2, 3)]),
    "espcn": (2, (1, 64, 64), lambda: [
        Conv2d(1, 64, 5, 1, 2), Tanh(), Conv2d(64, 32, 3, 1, 1), Tanh(), Conv2d(32, 9, 3, 1, 1), nn.PixelShuffle(3),
        Flatten()]),
    "speech": (4, (80, 300), lambda: [
        Conv1d(80, 256, 3, padding=1), GELU(), Conv1d(256, 256, 3, 2, 1), GELU(), Conv1d(256, 256, 3, 2, 1), mean(2)]),
    "alexnet": (4, (3, 128, 128), lambda: [
        Conv2d(3, 64, 11, 4, 2), ReLU(), MaxPool2d(3, 2), Conv2d(64, 192, 5, 1, 2), ReLU(), MaxPool2d(3, 2),
        Conv2d(192, 384, 3, 1, 1), ReLU(), mean(2, 3)]),
    "odd": (8, (3, 33, 35), lambda: [
        Conv2d(3, 30, 3, 1, 1), ReLU(), Conv2d(30, 70, 3), ReLU(), MaxPool2d(2), Conv2d(70, 50, 3, 1, 1), ReLU(),
        mean(2, 3)]),
    "deep2x2": (16, (512, 2, 2), lambda: [*times(2, lambda: [Conv2d(512, 512, 3, 1, 1), ReLU()]), mean(2, 3)]),
    "narrow": (16, (8, 56, 56), lambda: [*times(4, lambda: [Conv2d(8, 8, 3, 1, 1), ReLU()]), mean(2, 3)]),
    "large": (1, (3, 256, 256), lambda: [
        Conv2d(3, 16, 3, 1, 1), ReLU(), Conv2d(16, 16, 3, 1, 1), ReLU(), Conv2d(16, 3, 3, 1, 1), Flatten()]),
    "down_up": (8, (16, 40, 40), lambda: [*times(3, lambda: [
        Conv2d(16, 32, 4, 2, 1), LeakyReLU(.2), ConvTranspose2d(32, 16, 4, 2, 1), LeakyReLU(.2)]), mean(2, 3)]),
}
RATE = 1e-4


class Torch:
    """PyTorch's training of a copy of a network."""

    def __init__(self, network, x, y, channels_last):
        kind = torch.channels_last if channels_last else torch.contiguous_format
        self.network, self.x = network.to(memory_format=kind), torch.tensor(x).contiguous(memory_format=kind)
        self.y = torch.tensor(y)
        self.rule = torch.optim.SGD(self.network.parameters(), RATE)

    def step(self):
        self.rule.zero_grad(set_to_none=True)
        loss = nn.functional.mse_loss(self.network(self.x), self.y)
        loss.backward()
        self.rule.step()
        return loss.item()


def shortest(calls, seconds, turns):
    """Microseconds of the shortest call of each, in turns of so many seconds."""
    best = [math.inf] * len(calls)
    for _ in range(turns):
        for number, call in enumerate(calls):
            end = time.perf_counter() + seconds
            for count in range(1_000_000):
                start = time.perf_counter()
                call()
                now = time.perf_counter()
                best[number] = min(best[number], now - start)
                if now > end and count >= 4:
                    break
    return [1e6 * time for time in best]


def compare(name, options):
    batch, sample, layers = NETWORKS[name]
    torch.manual_seed(0)
    network = Sequential(*layers())
    x = torch.randn(batch, *sample)
    y = torch.randn_like(network(x)).numpy()
    file = io.BytesIO()
    axes = {"x": {0: "N"}, "y": {0: "N"}}
    torch.onnx.export(network, x, file, dynamo=False, training=torch.onnx.TrainingMode.TRAINING,
                      do_constant_folding=False, input_names=["x"], output_names=["y"], dynamic_axes=axes)
    x = x.numpy()
    with tempfile.NamedTemporaryFile(suffix=".onnx") as path:
        path.write(file.getvalue())
        path.flush()
        model = kiln.load(path.name)
    session = onnxruntime.SessionOptions()
    session.intra_op_num_threads = options.threads
    session = onnxruntime.InferenceSession(file.getvalue(), session, providers=["CPUExecutionProvider"])
    predictor = kiln.Predictor(model, threads=options.threads)
    one = x[:1].copy()
    error = np.abs(predictor(one) - session.run(None, {"x": one})[0]).max()
    assert error < 1e-3, f"{name}: predictions differ by {error}"

    model = model.train_only()
    rule = kiln.Optimizer("SGD", lr=RATE)
    trainer = kiln.Trainer(model, kiln.Loss("MSELoss"), rule, batch=batch, threads=options.threads)
    formats = [False, True] if len(sample) == 3 else [False]
    peers = []
    for channels_last in formats:
        torch.manual_seed(0)
        peers.append(Torch(Sequential(*layers()), x, y, channels_last))
    losses = [[step() for _ in range(3)][-1] for step in (lambda: trainer.train_step(x, y), peers[0].step)]
    assert math.isclose(*losses, rel_tol=1e-4), f"{name}: losses {losses}"

    steps = [lambda: trainer.train_step(x, y), *[peer.step for peer in peers]]
    ours, *theirs = shortest(steps, options.seconds, options.turns)
    predictions = [lambda: predictor(one), lambda: session.run(None, {"x": one})]
    ours_one, theirs_one = shortest(predictions, options.seconds, options.turns)
    ratios = min(theirs) / ours, theirs_one / ours_one
    print(f"| {name} | {ours:,.0f} | {min(theirs):,.0f} | {ratios[0]:.2f} | {ours_one:,.1f} | {theirs_one:,.1f} | "
          f"{ratios[1]:.2f} |", flush=True)
    return ratios


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=0.3, help="of each turn")
    parser.add_argument("--turns", type=int, default=2)
    parser.add_argument("--only", default="", help="names, with commas")
    options = parser.parse_args()
    warnings.filterwarnings("ignore")
    torch.set_num_threads(options.threads)
    names = [name for name in options.only.split(",") if name] or list(NETWORKS)
    print("| network | Kiln, training | PyTorch | ratio | Kiln, one sample | ONNX Runtime | ratio |")
    print("| --- | ---: | ---: | ---: | ---: | ---: | ---: |")
    ratios = [compare(name, options) for name in names]
    means = [math.exp(sum(map(math.log, column)) / len(ratios)) for column in zip(*ratios)]
    print(f"\nGeometric means: training {means[0]:.2f}, one sample {means[1]:.2f}; "
          f"least {min(a for a, _ in ratios):.2f}, {min(b for _, b in ratios):.2f}.")


if __name__ == "__main__":
    main()
