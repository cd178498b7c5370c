"""Draws `docs/src/scaling.svg`: how much faster 1 to 1,024 machines train than one, by a model of a step's time.

A step of R ranks takes

    forward + max(backward, wire - last) + last + update

    wire = copies + buckets * 2 * (R - 1) * latency + 2 * (R - 1) / R * bytes / bandwidth
    last = wire / buckets: what is left to add up when the backward pass is over

with the time of one machine's rows (`benches/RESULTS.md`, 2026-11-29: one core of an Intel Xeon, Emerald Rapids; a machine in
the drawing has 32 of them, at 80 % of their speed together; a third of a step is its forward pass). `python3 docs/scaling.py check` prints what it says of 2 ranks of one core each on
this machine, to be compared with `mpi/run-tests`.
"""

import math
import pathlib
import sys

# Name, rows of a rank, forward, backward and update of them on one core in milliseconds, bytes of gradients.
NETWORKS = [
    ("LeNet, 4,096 rows a machine", 4096, 149.0, 299.0, 0.2, 660_296),
    ("ResNet-18, 256 rows a machine", 256, 1390.0, 2770.0, 9.0, 44_695_848),
    ("GPT, 64 texts a machine", 64, 490.0, 980.0, 2.5, 12_800_000),
]
# Name, latency of a message in microseconds, bytes a second.
WIRES = [
    ("10 Gbit/s Ethernet, TCP", 30.0, 1.1e9, "#d95f02"),
    ("100 Gbit/s Ethernet, RoCE", 4.0, 11e9, "#7570b3"),
    ("200 Gbit/s InfiniBand", 1.5, 22e9, "#1b9e77"),
]
CORES, TOGETHER = 32, 0.8
# Bytes a second at which gradients are copied and added up, some passes over them, by the thread beside.
COPIES, PASSES = 6e9, 6
BUCKET = 4 << 20


def step(network, ranks, latency, bandwidth, cores, part=1.0):
    """Milliseconds of a step of so many ranks, each of which computes a part of the rows."""
    _, _, forward, backward, update, size = network
    speed = cores * (TOGETHER if cores > 1 else 1.0)
    forward, backward, update = forward * part / speed, backward * part / speed, update / speed
    if ranks == 1:
        return forward + backward + update
    buckets = max(1, -(-size // BUCKET))
    wire = 1e3 * PASSES * size / COPIES
    wire += buckets * 2 * (ranks - 1) * latency / 1e3 + 1e3 * 2 * (ranks - 1) / ranks * size / bandwidth
    last = wire / buckets
    return forward + max(backward, wire - last) + last + update


def main():
    if sys.argv[1:] == ["check"]:
        for network in NETWORKS:
            eight = 8 / network[1]
            print(f"{network[0]}: 8 rows each, {step(network, 2, 50.0, 2e9, 1, eight):.1f} ms")
        return
    width, height, margin = 300, 260, 50
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {3 * width + 20} {height + 70}" font-family="sans-serif" font-size="11">']
    for place, network in enumerate(NETWORKS):
        left, bottom = place * width + margin, height - 20
        span = width - margin - 15
        parts.append(f'<text x="{left}" y="16" fill="#555">{network[0]}</text>')
        for power in range(0, 11, 2):
            x, y = left + span * power / 10, bottom - (bottom - 30) * power / 10
            parts.append(f'<path d="M{x:.1f} 30V{bottom}M{left} {y:.1f}H{left + span}" stroke="#ddd"/>')
            parts.append(f'<text x="{x:.1f}" y="{bottom + 14}" text-anchor="middle" fill="#555">{2 ** power}</text>')
            parts.append(f'<text x="{left - 5}" y="{y + 4:.1f}" text-anchor="end" fill="#555">{2 ** power}</text>')
        for _, latency, bandwidth, color in WIRES:
            # More rows with more machines (drawn through), and as many rows, dealt out (dashed).
            for dealt, dash in [(False, ""), (True, ' stroke-dasharray="4 3"')]:
                points = []
                for power in range(0, 41):
                    ranks = 2 ** (power / 4)
                    part = 1 / ranks if dealt else 1.0
                    alone = step(network, 1, latency, bandwidth, CORES)
                    gain = (1 if dealt else ranks) * alone / step(network, ranks, latency, bandwidth, CORES, part)
                    x = left + span * power / 40
                    y = bottom - (bottom - 30) * math.log2(max(gain, 1)) / 10
                    points.append(f"{x:.1f},{y:.1f}")
                parts.append(f'<polyline points="{" ".join(points)}" fill="none" stroke="{color}" stroke-width="1.6"{dash}/>')
    for place, (name, *_, color) in enumerate(WIRES):
        x = margin + place * 240
        parts.append(f'<path d="M{x} {height + 30}h24" stroke="{color}" stroke-width="2"/>')
        parts.append(f'<text x="{x + 30}" y="{height + 34}" fill="#555">{name}</text>')
    parts.append(f'<text x="{margin}" y="{height + 56}" fill="#555">machines (across), times as many rows a second as one (up); drawn through: as many rows for each machine; dashed: one batch, dealt out</text>')
    parts.append("</svg>")
    pathlib.Path(__file__).with_name("src").joinpath("scaling.svg").write_text("\n".join(parts) + "\n")


main()
