"""Writes, with the package `onnx`, `reader.onnx`: several inputs and outputs, names that are none in Rust, and a number that
decides on a shape; and `tone.onnx`: a free length, and a weight in a file beside it."""

from pathlib import Path

from onnx import numpy_helper, parser, save

TEXT = """<ir_version: 10, opset_import: ["" : 18]>
g (float[batch, 4] image, int64[batch, 3] words, int64 width) => (float[batch, a, 2] scores, int64[batch] best)
<float[4, 6] weight = {1, 2, 3, 4, 5, 6, 0, 1, 0, 1, 0, 1, -1, -2, -3, -4, -5, -6, 3, 1, 4, 1, 5, 9},
 float[5, 2] table = {0.5, 1, 1.5, 2, 2.5, 3, 3.5, 4, 4.5, 5}> {
    product = MatMul(image, weight)
    rest = Constant<value_ints = [-1]>()
    two = Constant<value_ints = [2]>()
    zero = Constant<value_ints = [0]>()
    widths = Unsqueeze(width, zero)
    shape = Concat<axis = 0>(rest, widths, two)
    parts = Reshape(product, shape)
    looked = Gather(table, words)
    scores = Add(parts, looked)
    best = ArgMax<axis = 1, keepdims = 0>(product)
}"""
MODEL = parser.parse_model(TEXT)
for value in MODEL.graph.input:
    if value.name == "image":
        value.name = "input.1"
MODEL.graph.node[0].input[0] = "input.1"
save(MODEL, Path(__file__).with_name("reader.onnx"))

TONE = """<ir_version: 10, opset_import: ["" : 18]>
g (float[batch, 3, length] x) => (float[batch, 2, length] y, float[batch, twice, 3] z)
<float[2, 3, 3] weight = {1, 0, -1, 2, 1, 0, -1, 0.5, 0.25, 0, 3, 0, 1, 1, 1, -2, 0, 2}> {
    y = Conv<pads = [1, 1]>(x, weight)
    both = Concat<axis = 2>(x, x)
    z = Transpose<perm = [0, 2, 1]>(both)
}"""
MODEL = parser.parse_model(TONE)
weight = MODEL.graph.initializer[0]
# Bytes, which may lie in another file.
weight.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(weight), weight.name))
save(MODEL, Path(__file__).with_name("tone.onnx"), save_as_external_data=True, location="tone.bin", size_threshold=0)
