"""Writes the seeds of the fuzz target `onnx`, with the package `onnx`: files of a few nodes for each family of operators."""

from pathlib import Path

from onnx import parser, save

HEAD = '<ir_version: 10, opset_import: ["" : %d, "own" : 1]>'
FILES = {
    "shapes": """g (float[N, 3, 8] x) => (float[A, B] y) {
        s = Shape(x) zero = Constant<value_ints = [0]>() minus = Constant<value_ints = [-1]>()
        i = Constant<value_int = 0>() n = Gather(s, i) m = Unsqueeze(n, zero) t = Concat<axis = 0>(m, minus) y = Reshape(x, t) }""",
    "moves": """g (float[2, 3, 4] x) => (float[A, B, C] y) {
        two = Constant<value_ints = [2]>() one = Constant<value_ints = [1]>() three = Constant<value_ints = [1, 2, 1]>()
        a = Slice(x, one, two, one) b, c = Split<axis = 0, num_outputs = 2>(x) d = Tile(b, three) e = Transpose<perm = [0, 2, 1]>(d)
        pads = Constant<value_ints = [0, 1, 0, 0, 0, 1]>() p = Pad(e, pads) f = Squeeze(p, two) wide = Constant<value_ints = [2, 3, 4]>() y = Expand(c, wide) }""",
    "convolution": """g (float[1, 2, 6, 6] x) => (float[A, B] y)
        <float[2, 2, 3, 3] w = {1, 2, 3, 4, 5, 6, 7, 8, 9, 1, 2, 3, 4, 5, 6, 7, 8, 9, 1, 2, 3, 4, 5, 6, 7, 8, 9, 1, 2, 3, 4, 5, 6, 7, 8, 9},
         float[2] b = {1, 2}> {
        c = Conv<pads = [1, 1, 1, 1], strides = [2, 2]>(x, w, b) n = BatchNormalization(c, b, b, b, b) r = Relu(n)
        p = MaxPool<kernel_shape = [2, 2]>(r) q = ConvTranspose<dilations = [1, 1]>(p, w) a = GlobalAveragePool(q) y = Flatten(a) }""",
    "recurrent": """g (float[3, 1, 2] x) => (float[A, B, C, D] y)
        <float[1, 8, 2] w = {1, 2, 3, 4, 5, 6, 7, 8, 1, 2, 3, 4, 5, 6, 7, 8}, float[1, 8, 2] r = {1, 2, 3, 4, 5, 6, 7, 8, 1, 2, 3, 4, 5, 6, 7, 8}> {
        y, h, c = LSTM<hidden_size = 2, direction = "forward">(x, w, r) }""",
    "flow": """g (float[3] x) => (float[A] y) {
        three = Constant<value_int = 3>() on = Constant<value = bool {1}>() zero = Constant<value_ints = [0]>()
        s = ReduceSum<keepdims = 0>(x, zero) 
        t = If(on) <then_branch = a () => (float[3] p) { p = Add(x, x) }, else_branch = b () => (float[3] q) { q = Neg(x) }>
        y = Loop(three, on, t) <body = c (int64 i, bool go, float[3] v) => (bool more, float[3] w) { more = Identity(go) w = Add(v, x) }> }""",
    "scan": """g (float[2] h, float[4, 2] x) => (float[2] y, float[4, 2] z) {
        y, z = Scan<num_scan_inputs = 1, body = b (float[2] s, float[2] e) => (float[2] t, float[2] o) { t = Add(s, e) o = Identity(t) }>(h, x) }""",
    "sequences": """g (float[2, 2] x) => (float[A, B] y) {
        one = Constant<value_int = 1>() l = SequenceConstruct(x, x) m = SequenceInsert(l, x) e = SequenceAt(m, one)
        s = SplitToSequence<axis = 0>(e) y = ConcatFromSequence<axis = 0>(s) }""",
    "function": """g (float[2, 3] x) => (float[A, B] y) { y = own.twice<a = 2.0>(x) }
        <domain: "own", opset_import: ["" : 18]> twice <a> (v) => (w) { c = Constant<value_float: float = @a>() u = Mul(v, c) w = Add(u, v) }""",
    "resize": """g (float[1, 1, 4, 4] x) => (float[A, B, C, D] y) {
        none = Constant<value_floats = [0.0]>() sizes = Constant<value_ints = [1, 1, 6, 5]>()
        a = Resize<mode = "linear">(x, , , sizes) scales = Constant<value_floats = [1.0, 1.0, 2.0, 0.5]>() y = Resize<mode = "cubic">(a, , scales) }""",
    "quantised": """g (float[2, 4] x) => (float[A, B] y)
        <int8[4, 2] w = {1, -2, 3, -4, 5, -6, 7, -8}, float s = {0.1}, int8 z = {0}> {
        q, t, u = DynamicQuantizeLinear(x) m = MatMulInteger(q, w, u, z) f = Cast<to = 1>(m) d = DequantizeLinear(w, s, z) e = MatMul(x, d) y = Add(e, f) }""",
    "indices": """g (float[3, 4] x, int64[2] i) => (float[A, B] y) {
        a = Gather<axis = 0>(x, i) k = Constant<value_ints = [2]>() v, p = TopK(x, k) o = GatherElements<axis = 1>(x, p)
        
        one = Constant<value_int = 1>() u = CumSum(o, one) c = Less(v, u) w = Where(c, v, o) m = ScatterElements<axis = 1>(x, p, w)
        y = Concat<axis = 0>(a, m) }""",
    "attention": """g (float[1, 2, 4, 4] q) => (float[A, B, C, D] y) {
        s = Constant<value_floats = [1.0, 2.0, 1.0, 1.0]>() a = Softmax<axis = -1>(q) n = LayerNormalization(a, s, s)
        e = Einsum<equation = "bhij,bhjk->bhik">(n, q) y = Attention(e, q, q) }""",
}

for name, text in FILES.items():
    version = 23 if name == "attention" else 18
    save(parser.parse_model(HEAD % version + "\n" + text), Path(__file__).with_name(f"{name}.onnx"))
