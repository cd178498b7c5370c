"""Runs files in ONNX Runtime, and compares with what is expected, within 1e-4 of the largest number of each output.

In the folder of the first argument `list` says which: `case NAME`, then for each call `run`, and its arrays:
`in NAME FILE`, `out NAME FILE`.
"""
import sys
from pathlib import Path

import numpy
import onnx
import onnxruntime

folder = Path(sys.argv[1])
session, inputs, expected, failed = None, {}, {}, 0


def compare(name):
    global failed
    if not expected:
        return
    types = {given.name: given.type for given in session.get_inputs()}
    fed = {key: value.astype(bool) if types[key] == "tensor(bool)" else value for key, value in inputs.items()}
    try:
        found = session.run(list(expected), fed)
    except Exception as error:
        print(f"{name}: {error}")
        failed += 1
        return
    for (output, wanted), result in zip(expected.items(), found):
        if wanted.shape != result.shape:
            print(f"{name} {output}: {result.shape} instead of {wanted.shape}")
            failed += 1
            continue
        wanted, result = wanted.astype(numpy.float64), result.astype(numpy.float64)
        error = numpy.abs(wanted - result).max() / max(numpy.abs(wanted).max(), 1e-30)
        if not error <= 1e-4:
            print(f"{name} {output}: differs by {error:.1e} of the largest")
            failed += 1
        else:
            print(f"{name} {output}: {error:.1e}")


name = ""
for line in (folder / "list").read_text().splitlines():
    word, *rest = line.split()
    if word in ("case", "run"):
        compare(name)
        inputs, expected = {}, {}
    if word == "case":
        name = rest[0]
        path = str(folder / f"{name}.onnx")
        session = None
        try:
            onnx.checker.check_model(path, full_check=True)
            options = onnxruntime.SessionOptions()
            options.log_severity_level = 3
            options.intra_op_num_threads = 1
            session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        except Exception as error:
            print(f"{name}: {error}")
            failed += 1
    elif word in ("in", "out") and session is not None:
        (inputs if word == "in" else expected)[rest[0]] = numpy.load(folder / rest[1])
compare(name)
sys.exit(1 if failed else 0)
