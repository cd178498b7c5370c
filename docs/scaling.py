"""Draws `docs/src/scaling.svg`: how much faster 1 to 1,024 machines train than one, by a model of a step's time.

A step of R ranks takes, of B buckets,

    forward + max(backward + early / cores, wire + work - last) + last + update

    wire = B * 2 * (R - 1) * latency + 2 * (R - 1) / R * bytes / bandwidth
    work = what the thread beside copies and adds up, on one core
    last = (wire + work) / B: what is left to add up when the backward pass is over
    early = work * (1 - 1 / B): what the thread beside takes of the cores that compute

with the time of one machine's rows: one core of an Intel Xeon, Emerald Rapids; a machine in the drawing has 32 of them,
at 80 % of their speed together. `python3 docs/scaling.py check` prints, for 2 ranks of one core each, what the model says
beside what was measured, as the book has it.
"""

import math
import pathlib
import sys

# Name, forward, backward and update of a machine's rows on one core in milliseconds, bytes of gradients (2026-11-30: of
# `job lenet` with 1,024 rows, `resnet18` with 64 and `gpt` with 32, by Adam, `JOB_TIME=1`).
NETWORKS = [
    ("LeNet, 4,096 rows a machine", 198.0, 709.0, 0.3, 660_296),
    ("ResNet-18, 256 rows a machine", 1470.0, 3580.0, 46.0, 44_695_848),
    ("GPT, 64 texts a machine", 606.0, 1212.0, 13.0, 12_800_000),
]
# Name, rows of a rank, milliseconds of a step of one rank, and of two on one core each: the shortest of three times 12
# steps of `JOB_TIME=1 JOB_ROWS=.. job NETWORK 12 SHARDS` on Emerald Rapids, Open MPI 4.1.4, in turns (2026-11-30).
MEASURED = [
    ("LeNet", 64, 8.36, 9.59, 660_296),
    ("ResNet-18", 8, 240.5, 243.5, 44_695_848),
    ("GPT", 4, 105.1, 111.5, 12_800_000),
]
# Name, latency of a message in microseconds, bytes a second.
WIRES = [
    ("10 Gbit/s Ethernet, TCP", 30.0, 1.1e9, "#d95f02"),
    ("100 Gbit/s Ethernet, RoCE", 4.0, 11e9, "#7570b3"),
    ("200 Gbit/s InfiniBand", 1.5, 22e9, "#1b9e77"),
]
CORES, TOGETHER = 32, 0.8
# Passes of the thread beside over the bytes of the gradients (into MPI and out of it twice a half, and sums), and bytes a
# second of a core that does this: `job wire` takes 20.6 ms for the gradients of ResNet-18 on 2 ranks.
PASSES, COPIES = 3.5, 7.6e9
# Microseconds until a message is seen by a thread that has no core to itself.
SHARED = 250.0
BUCKET = 4 << 20


def step(times, size, ranks, latency, bandwidth, cores):
    """Milliseconds of a step of so many ranks, of which each takes so long to go forward, backward, and to update."""
    forward, backward, update = times
    if ranks == 1:
        return forward + backward + update
    buckets = max(1, size // BUCKET)
    wire = buckets * 2 * (ranks - 1) * latency / 1e3 + 1e3 * 2 * (ranks - 1) / ranks * size / bandwidth
    work = 1e3 * PASSES * size / COPIES
    last = (wire + work) / buckets
    early = work * (1 - 1 / buckets)
    return forward + max(backward + early / cores, wire + work - last) + last + update


def of_machine(network, ranks, latency, bandwidth, part=1.0):
    """The same, of machines that compute a part of the rows each."""
    _, forward, backward, update, size = network
    speed = CORES * TOGETHER
    times = forward * part / speed, backward * part / speed, update / speed
    return step(times, size, ranks, latency, bandwidth, CORES)


def check():
    """What was measured, and what the model makes of one rank's time for two on one machine, whose wire is its memory."""
    print("| | rows of a rank | 1 rank | 2 ranks by the model | 2 ranks measured |\n|---|---|---|---|---|")
    for name, rows, one, two, size in MEASURED:
        model = step((one / 3, one * 2 / 3, 0), size, 2, SHARED, math.inf, 1)
        print(f"| {name} | {rows} | {one:.1f} ms | {model:.1f} ms | {two:.1f} ms |")


def main():
    if sys.argv[1:] == ["check"]:
        return check()
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
                    alone = of_machine(network, 1, latency, bandwidth)
                    gain = (1 if dealt else ranks) * alone / of_machine(network, ranks, latency, bandwidth, part)
                    if gain < 1:
                        break
                    x = left + span * power / 40
                    y = bottom - (bottom - 30) * math.log2(gain) / 10
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
