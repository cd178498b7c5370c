#!/usr/bin/env python3
"""Writes the models of this folder, each as ONNX's own operator tests are laid out: NAME/model.onnx,
NAME/test_data_set_0/{input,output}_N.pb, NAME/data.json. Outputs are ONNX Runtime's. Needs onnx and onnxruntime.

    python make.py
"""
import json
import os
import shutil

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

HERE = os.path.dirname(os.path.abspath(__file__))
RNG = np.random.default_rng(3)
F, I = TensorProto.FLOAT, TensorProto.INT64


def value(name, ty, shape):
    return helper.make_tensor_value_info(name, ty, shape)


def tensor(name, array):
    return numpy_helper.from_array(np.asarray(array), name)


def weight(name, *shape):
    return tensor(name, (RNG.standard_normal(shape) / np.sqrt(np.prod(shape[1:]) or 1)).astype(np.float32))


def write(name, nodes, inputs, outputs, initializers=(), feeds=(), opset=17, functions=(), sparse=(), external=False, imports=()):
    graph = helper.make_graph(nodes, name, inputs, outputs, initializers, sparse_initializer=sparse)
    sets = [helper.make_opsetid("", opset)] + [helper.make_opsetid(domain, 1) for domain in imports]
    model = helper.make_model(graph, opset_imports=sets, functions=functions, ir_version=10)
    folder = os.path.join(HERE, name)
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(folder + "/test_data_set_0")
    path = folder + "/model.onnx"
    if external:
        onnx.save(model, path, save_as_external_data=True, location="weights.bin", size_threshold=0)
    else:
        onnx.save(model, path)
    onnx.checker.check_model(path)
    options = onnxruntime.SessionOptions()
    # Otherwise it computes products with weights of 8 bits in a rougher way.
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    results = session.run(None, {i.name: a for i, a in zip(inputs, feeds)})
    for kind, arrays in (("input", feeds), ("output", results)):
        for number, array in enumerate(arrays):
            with open(f"{folder}/test_data_set_0/{kind}_{number}.pb", "wb") as file:
                file.write(numpy_helper.from_array(np.asarray(array)).SerializeToString())
    json.dump({"rtol": 1e-4, "atol": 1e-5}, open(f"{folder}/data.json", "w"))


def node(op, inputs, outputs, **attributes):
    return helper.make_node(op, inputs, outputs, **attributes)


def numbers(*shape):
    return RNG.standard_normal(shape).astype(np.float32)


def digits():
    """An image network with a free batch, its shape arithmetic as PyTorch writes it, and a value `features` before its head."""
    nodes = [
        node("Conv", ["x", "conv.weight", "conv.bias"], ["a"], kernel_shape=[3, 3], pads=[1, 1, 1, 1], name="conv"),
        node("BatchNormalization", ["a", "bn.weight", "bn.bias", "bn.running_mean", "bn.running_var"], ["b"], name="bn"),
        node("Relu", ["b"], ["c"]),
        node("MaxPool", ["c"], ["d"], kernel_shape=[2, 2], strides=[2, 2]),
        node("Shape", ["d"], ["shape"]),
        node("Gather", ["shape", "zero"], ["n"]),
        node("Unsqueeze", ["n", "axes"], ["n1"]),
        node("Concat", ["n1", "rest"], ["to"], axis=0),
        node("Reshape", ["d", "to"], ["flat"]),
        node("Gemm", ["flat", "fc.weight", "fc.bias"], ["e"], transB=1),
        node("Relu", ["e"], ["features"]),
        node("Gemm", ["features", "head.weight", "head.bias"], ["y"], transB=1, name="head"),
    ]
    initializers = [
        weight("conv.weight", 8, 1, 3, 3), weight("conv.bias", 8), tensor("bn.weight", 1 + 0.1 * numbers(8)), weight("bn.bias", 8),
        tensor("bn.running_mean", 0.1 * numbers(8)), tensor("bn.running_var", np.abs(numbers(8)) + 0.5),
        tensor("zero", np.int64(0)), tensor("axes", np.array([0])), tensor("rest", np.array([-1])),
        weight("fc.weight", 16, 8 * 4 * 4), weight("fc.bias", 16), weight("head.weight", 4, 16), weight("head.bias", 4),
    ]
    write("digits", nodes, [value("x", F, ["batch", 1, 8, 8])], [value("y", F, ["batch", 4])], initializers, [numbers(3, 1, 8, 8)])


def lstm():
    """Both directions, with weights in another file."""
    nodes = [
        node("LSTM", ["x", "w", "r", "b"], ["y", "h", ""], hidden_size=5, direction="bidirectional"),
        node("Flatten", ["y"], ["flat"]),
    ]
    write("lstm", nodes, [value("x", F, [4, 2, 3])], [value("flat", F, [4, 20]), value("h", F, [2, 2, 5])],
          [weight("w", 2, 20, 3), weight("r", 2, 20, 5), weight("b", 2, 40)], [numbers(4, 2, 3)], external=True)


def flow():
    """A branch by the number of axes, a loop of known count, whose sum of steps decides an extent; a function within another."""
    then = helper.make_graph([node("Mul", ["x", "two"], ["t"])], "then", [], [value("t", F, [2, 3])])
    other = helper.make_graph([node("Neg", ["x"], ["e"])], "else", [], [value("e", F, [2, 3])])
    body = helper.make_graph(
        [node("Add", ["total", "step"], ["next"]), node("Identity", ["on"], ["goes_on"]), node("Add", ["v", "v"], ["double"]),
         node("ReduceSum", ["v"], ["row"], keepdims=0)],
        "body", [value("step", I, []), value("on", TensorProto.BOOL, []), value("total", I, []), value("v", F, [2, 3])],
        [value("goes_on", TensorProto.BOOL, []), value("next", I, []), value("double", F, [2, 3]), value("row", F, [])])
    inner = helper.make_function("own", "Scaled", ["a"], ["c"], [node("Constant", [], ["k"], value_float=0.5), node("Mul", ["a", "k"], ["c"])],
                                 [helper.make_opsetid("", 17)])
    outer = helper.make_function("own", "Twice", ["a"], ["c"], [helper.make_node("Scaled", ["a"], ["b"], domain="own"),
                                                                helper.make_node("Scaled", ["b"], ["c"], domain="own")],
                                 [helper.make_opsetid("", 17), helper.make_opsetid("own", 1)])
    nodes = [
        node("Shape", ["x"], ["s"]), node("Size", ["s"], ["rank"]), node("Equal", ["rank", "three"], ["is_three"]),
        node("If", ["is_three"], ["i"], then_branch=then, else_branch=other),
        node("Loop", ["count", "", "zero", "i"], ["total", "v", "rows"], body=body),
        helper.make_node("Twice", ["v"], ["w"], domain="own"),
        node("Unsqueeze", ["total", "axes"], ["extent"]), node("Range", ["zero", "total", "one"], ["places"]),
        node("Cast", ["places"], ["numbers"], to=F), node("Expand", ["numbers", "extent"], ["wide"]),
        node("ReduceSum", ["wide"], ["sum"], keepdims=0), node("Add", ["w", "sum"], ["y"]),
    ]
    initializers = [tensor("two", np.float32(2)), tensor("three", np.int64(3)), tensor("count", np.int64(4)), tensor("zero", np.int64(0)),
                    tensor("one", np.int64(1)), tensor("axes", np.array([0]))]
    write("flow", nodes, [value("x", F, [2, 3])], [value("y", F, [2, 3]), value("rows", F, [4])], initializers, [numbers(2, 3)],
          functions=[inner, outer], imports=["own"])


def sparse():
    """A sparse matrix, numbers of 16 and of 8 bits, whole numbers that are many, and one beyond 24 bits."""
    values = helper.make_tensor("m", F, [3], [1.0, 2.0, -3.0])
    indices = helper.make_tensor("m_indices", I, [3], [0, 5, 11])
    matrix = helper.make_sparse_tensor(values, indices, [3, 4])
    large = np.arange(24, dtype=np.int64) ** 5 % 100_003
    large[7] = 123_456_789
    nodes = [
        node("MatMul", ["x", "m"], ["a"]), node("Cast", ["half"], ["h"], to=F), node("Add", ["a", "h"], ["b"]),
        node("DequantizeLinear", ["bytes", "scale", "zero"], ["c"]), node("MatMul", ["b", "c"], ["y"]),
        node("Add", ["i", "large"], ["z"]),
    ]
    initializers = [tensor("half", numbers(4).astype(np.float16)), tensor("bytes", RNG.integers(-128, 128, (4, 6)).astype(np.int8)),
                    tensor("scale", np.float32(0.02)), tensor("zero", np.int8(3)), tensor("large", large)]
    write("sparse", nodes, [value("x", F, [2, 3]), value("i", I, [24])], [value("y", F, [2, 6]), value("z", I, [24])], initializers,
          [numbers(2, 3), np.arange(24, dtype=np.int64)], sparse=[matrix])


if __name__ == "__main__":
    digits()
    lstm()
    flow()
    sparse()
