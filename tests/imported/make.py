"""Writes `reader.onnx`, with the package `onnx`: several inputs and outputs, names that are none in Rust, and a number that
decides on a shape."""

from pathlib import Path

from onnx import parser, save

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
