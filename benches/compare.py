#!/usr/bin/env python3
"""Kiln and the other frameworks on the suite, interleaved: of each case a run of Kiln, one of every peer, one of Kiln.

    cargo bench --bench suite --no-run                              # what `run` starts
    benches/compare.py run --out results.jsonl [--cases lenet:train,resnet18] [--peers jax,burn] [--threads 1,2]
    benches/compare.py table results.jsonl                          # markdown: medians, the best peer of a case in bold
    benches/compare.py run --precision bf16 --out bf16.jsonl        # Kiln and PyTorch in bf16, a table of their own

`KILN_PEERS` is the folder with the peers' `run` and `losses.json`, default ../shared/peers. `--suite` names Kiln's program, by
default the newest in target/release/deps. Each run is a process of its own, bound to as many cores as it has threads.
A line of the file is the result of one run; a case that the file holds already is not run again.
"""
import argparse
import glob
import json
import math
import os
import statistics
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
PEERS = os.environ.get("KILN_PEERS", os.path.join(HERE, "../../shared/peers"))
TRAIN = ["mlp_tiny", "mlp_mnist", "module_list", "lenet", "vgg_bn", "resnet18", "hourglass", "dcgan", "conv3d",
         "adam_10m", "adam_amsgrad_1m", "lstm", "transformer", "gpt"]
INFER = ["mlp_mnist", "lenet", "resnet18", "hourglass", "vgg_bn", "lstm", "transformer", "gpt"]
NAMES = {"torch-eager": "PyTorch eager", "torch-eager-cl": "channels last", "torch-compile": "torch.compile",
         "torch-compile-freeze": "compiled, frozen", "jax": "JAX", "onnxruntime": "ONNX Runtime", "openvino": "OpenVINO",
         "candle": "candle", "burn": "burn"}
NAMES_BF16 = {"torch-bf16": "PyTorch eager", "torch-compile-bf16": "torch.compile"}
# How far a loss may be from PyTorch's, relative to the loss or to a tenth of the first one (SUITE.md).
AGREEMENT = 2e-3
# The same in bf16, for the losses of steps 0, 1 and 2.
AGREEMENT_BF16 = 2e-2
# The same for the last loss of a case in which rounding decides on it (benches/suite/reference.rs).
ILL_CONDITIONED = {"dcgan": 6e-3}


def newest_suite():
    programs = [p for p in glob.glob(os.path.join(HERE, "../target/release/deps/suite-*")) if os.access(p, os.X_OK)]
    return max(programs, key=os.path.getmtime, default=None)


def run(options):
    suite = options.suite or newest_suite() or sys.exit("build it first: cargo bench --bench suite --no-run")
    wanted = set(filter(None, options.cases.split(",")))
    done = {key(line) for line in read([options.out])} if os.path.exists(options.out) else set()
    for threads in map(int, options.threads.split(",")):
        for case, mode in [(c, "train") for c in TRAIN] + [(c, "infer") for c in INFER]:
            if wanted and not wanted & {case, f"{case}:{mode}"} or (threads, mode, case) in done:
                continue
            named = ["--threads", str(threads), "--cases", f"{case}:{mode}", "--seconds", options.seconds]
            cpus = ["--cpus", options.cpus] if options.cpus else []
            ours = [suite, "--bench", "--json", "--precision", options.precision, *named, *cpus]
            peers = options.peers or ",".join(NAMES_BF16 if options.precision == "bf16" else NAMES)
            theirs = [os.path.join(PEERS, "run"), "--peers", peers, "--out", options.out, *named, *cpus]
            for command in [ours, theirs, ours]:
                found = subprocess.run(command, stdout=subprocess.PIPE, text=True).stdout
                with open(options.out, "a") as file:
                    file.writelines(line + "\n" for line in found.splitlines() if line.startswith("{"))


def read(files):
    return [json.loads(line) for name in files for line in open(name)]


def key(line):
    return line["threads"], line["mode"], line["case"]


def agrees(line, reference):
    """Whether the losses of a run are those of the reference."""
    for name in ("losses", "losses_g"):
        losses = list(zip(line.get(name, []), reference.get(name, [])))
        limits = [AGREEMENT] * (len(losses) - 1) + [ILL_CONDITIONED.get(line["case"], AGREEMENT)]
        if is_bf16(line):
            limits = [AGREEMENT_BF16] * 3
        for limit, (found, expected) in zip(limits, losses):
            if not abs(found - expected) <= limit * max(abs(expected), abs(reference[name][0]) / 10):
                return False
    return True


def is_bf16(line):
    return line["peer"].endswith("-bf16")


def table(options):
    lines = read(options.files)
    tables([line for line in lines if not is_bf16(line)], "kiln", NAMES, "", options.field)
    tables([line for line in lines if is_bf16(line)], "kiln-bf16", NAMES_BF16, " in bf16", options.field)


def tables(lines, kiln, names, precision, field):
    """What computes in one precision, compared with one another."""
    with open(os.path.join(PEERS, "losses.json")) as file:
        references = json.load(file)
    for threads, mode in dict.fromkeys(key(line)[:2] for line in lines):
        cases = {}
        for line in lines:
            if key(line)[:2] == (threads, mode):
                cases.setdefault(line["case"], {}).setdefault(line["peer"], []).append(line)
        peers = [peer for peer in names if any(peer in runs for runs in cases.values())]
        title = "Training step" if mode == "train" else "Inference of one sample"
        print(f"### {title}{precision}, {threads} thread{'s' * (threads > 1)} (microseconds)\n")
        print("| case | Kiln | " + " | ".join(names[peer] for peer in peers) + " | best peer / Kiln |")
        print("| --- |" + " ---: |" * (len(peers) + 2))
        ratios = []
        for case, runs in cases.items():
            median = {peer: statistics.mean(line[field] for line in of_peer) for peer, of_peer in runs.items()}
            fair = [peer for peer in peers if peer in runs and agrees(runs[peer][-1], references[case][mode])]
            best = min(fair, key=median.get)
            ratios.append(median[best] / median[kiln])
            cells = [number(median[kiln])]
            for peer in peers:
                text = number(median[peer]) if peer in median else ""
                cells.append(f"**{text}**" if peer == best else text + " (!)" * (bool(text) and peer not in fair))
            print(f"| {case} | " + " | ".join(cells) + f" | {ratios[-1]:.2f} |")
        print(f"\nGeometric mean of the ratios: {math.exp(statistics.mean(map(math.log, ratios))):.2f}.\n")


def number(value):
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True)
    running = commands.add_parser("run")
    running.set_defaults(does=run)
    running.add_argument("--out", required=True)
    running.add_argument("--cases", default="")
    running.add_argument("--peers", default="")
    running.add_argument("--threads", default="1,2")
    running.add_argument("--cpus", default="")
    running.add_argument("--seconds", default="0.5")
    running.add_argument("--precision", choices=["f32", "bf16"], default="f32")
    running.add_argument("--suite")
    showing = commands.add_parser("table")
    showing.set_defaults(does=table)
    showing.add_argument("files", nargs="+")
    showing.add_argument("--field", default="median_us")
    options = parser.parse_args()
    options.does(options)


main()
