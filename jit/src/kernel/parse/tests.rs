//! What is printed is read back, and what is no text of a kernel is refused where it goes wrong. Whether a kernel obeys
//! the rules is not asked here.

use super::super::*;
use super::{DEEPEST, parse, parse_all};

fn check_read_back(kernel: &Kernel, expected: &str) {
    let text = kernel.to_string();
    assert!(text.contains(expected), "`{expected}` stands in\n{text}");
    let read = parse(&text).unwrap_or_else(|error| panic!("{error}\n{text}"));
    assert_eq!(read, *kernel, "\n{text}");
}

/// A kernel over buffers of the given names, and a value that is stored to the last one.
fn kernel(name: &str, buffers: &[&str], write: impl FnOnce(&mut KernelBuilder) -> Value) -> Kernel {
    let mut b = KernelBuilder::new(name, 4);
    let buffers: Vec<BufferId> =
        buffers.iter().map(|name| b.buffer(*name, Element::F32, 64, Access::ReadWrite)).collect();
    let value = write(&mut b);
    b.store(buffers[buffers.len() - 1], Index::at(0), 1, 4, value);
    b.finish()
}

#[test]
fn names_are_read_back() {
    for (name, buffers, expected) in [
        ("k", &["x"][..], "kernel k lanes=4 (x: readwrite f32[64]) {"),
        ("k", &["x", "x"], "(x@0: readwrite f32[64], x@1: readwrite f32[64])"),
        ("k", &["", "x"], "(@0 \"\": readwrite f32[64], x: readwrite f32[64])"),
        ("conv + add", &["Scratch(0)"], "kernel \"conv + add\" lanes=4 (@0 \"Scratch(0)\": readwrite f32[64]) {"),
        ("\"\\\n\u{1}é", &["a@0", "write"], "kernel \"\\\"\\\\\\n\\u{1}é\" lanes=4 (@0 \"a@0\": "),
        ("lanes", &["in", "0", "%1", "}"], "store @3[0]"),
    ] {
        check_read_back(&kernel(name, buffers, |b| b.f32(1.0)), expected);
    }
}

#[test]
fn numbers_are_read_back() {
    for (bits, expected) in [
        (1.0f32.to_bits(), "constant 1.0"),
        (1 << 31, "constant -0.0"),
        (1, "constant 1e-45"),
        (f32::MAX.to_bits(), "constant 3.4028235e38"),
        (f32::NEG_INFINITY.to_bits(), "constant -inf"),
        (f32::NAN.to_bits(), "constant nan\n"),
        (0xffc0_0001, "constant nan.ffc00001"),
        (0x7f80_0001, "constant nan.7f800001"),
    ] {
        check_read_back(&kernel("k", &["x"], |b| b.f32(f32::from_bits(bits))), expected);
    }
    for number in [0, -7, i32::MIN, i32::MAX] {
        let integer = |b: &mut KernelBuilder| {
            let number = b.i32(number);
            b.convert(Convert::ToF32, number)
        };
        check_read_back(&kernel("k", &["x"], integer), &format!("constant {number}\n"));
    }
}

#[test]
fn indices_are_read_back() {
    let (i, j) = (Variable(0), Variable(1));
    for (index, expected) in [
        (Index::at(0), "[0]"),
        (Index::at(-3), "[-3]"),
        (Index::of(i, 1), "[i0]"),
        (Index::of(i, -1).plus(j, -8).shifted(2), "[-i0 - 8*i1 + 2]"),
        (Index::of(j, i64::MIN).shifted(i64::MAX), "[-9223372036854775808*i1 + 9223372036854775807]"),
        (
            Index { row: Some(Row { value: Value(0), extent: 9, stride: -4 }), ..Index::of(i, 2) },
            "[2*i0 - 4*row(%0 < 9)]",
        ),
        (Index { row: Some(Row { value: Value(0), extent: 1, stride: 0 }), ..Index::at(-1) }, "[0*row(%0 < 1) - 1]"),
    ] {
        let written = kernel("k", &["x"], |b| {
            b.i32(3);
            b.grid(2);
            let loaded = b.for_each(2, &[Value(0)], |b, _, carried| {
                b.push(Operation::Load { buffer: BufferId(0), index, stride: -2, active: 3 });
                carried.to_vec()
            });
            b.convert(Convert::ToF32, loaded[0])
        });
        check_read_back(&written, &format!("load x{expected} stride -2 active 3"));
    }
}

#[test]
fn what_is_no_kernel_is_refused() {
    let check = |text: &str, expected: &str| {
        let found = parse(text).map_or_else(|error| error.to_string(), |kernel| kernel.to_string());
        assert_eq!(found, expected, "of\n{text}");
    };
    check("", "line 1: expected `kernel`, found the end of the text");
    check("graph f() {}", "line 1: expected `kernel`, found `graph`");
    check("kernel k lanes=-4 () {}", "line 1: expected a number that fits its place, found `-`");
    check(
        "kernel k lanes=4 (x: f64[2]) {}",
        "line 1: expected `f32`, `i32`, `bf16`, `u8`, `i8`, `u8x4` or `i8x4`, found `f64`",
    );
    check("kernel k lanes=4 (x: f32[2] y: f32[2]) {}", "line 1: expected `,`, found `y`");
    let own = "line 1: expected a name of the buffer's own, or one that ends in `@1`, found `x`";
    check("kernel k lanes=4 (x: f32[2], x: f32[2]) {}", own);
    check("kernel \"k lanes=4 () {}", "line 1: expected a closing `\"`, found the end of the text");
    check("kernel \"\\q\" lanes=4 () {}", "line 1: expected an escape as in a text of Rust, found another one");
    // What stands in a kernel, from its second line on.
    let body =
        |body: &str, expected: &str| check(&format!("kernel k lanes=4 (x: write f32[4]) {{\n{body}\n}}"), expected);
    body("  %0 = constant 1.0\n  store y[0], %0", "line 3: expected one of the buffers x, found `y`");
    body("  store x[0], %0", "line 2: expected a value that is defined before, found `%0`");
    body("  # a comment\n\n  %0 = konstant 1.0", "line 4: expected an operation, found `konstant`");
    body("  %0 = compare.less %0, %0", "line 2: expected an operation, found `compare.less`");
    body("  %0 = constant nan.3f800000", "line 2: expected a number, found `nan.3f800000`");
    body("  %0 = lane\n  %0 = lane", "line 4: expected one definition of %0, found another one");
    body("  %1 = lane", "line 3: expected a kernel that defines all its values, %0 too, found one that does not");
    body("  %0, %1 = lane", "line 2: expected `for` or `if`, found `lane`");
    body("  jump", "line 2: expected a statement or `}`, found `jump`");
    body("  %0 = lane\n  store x[4*i0 + ], %0", "line 3: expected a variable, as `i0`, found `]`");
    body("  %0 = affine 9223372036854775808", "line 3: expected numbers of 64 bits in an index, found a larger one");
    body("  %4294967295 = lane", "line 2: expected a value, as `%0`, found `%4294967295`");
    body("  for i4294967295 in 0..4 {", "line 2: expected a variable, as `i0`, found `i4294967295`");
    body("  for i0 in 1..4 {", "line 2: expected `0..`, found `1..4`");
    body("  %0 = lane\n  %2 = for i0 in 0..4 carry (%1 = %0) {\n  }", "line 4: expected `next`, found `}`");
    body("  %0 = lane\n  %2, %3 = for i0 in 0..4 carry (%1 = %0) {", "line 3: expected 2 carried values, found 1");
    body("}", "line 3: expected the end of the text, found `}`");
    let deep = "for i0 in 0..1 {\n".repeat(DEEPEST + 1);
    let line = DEEPEST + 4;
    body(&deep, &format!("line {line}: expected at most {DEEPEST} loops within one another, found `}}`"));
}

#[test]
fn several_kernels_follow_one_another() {
    let kernels = ["a", "b"].map(|name| kernel(name, &["x"], |b| b.f32(1.0)));
    let text: String = kernels.iter().map(Kernel::to_string).collect();
    assert_eq!(parse_all(&text).expect("two kernels"), kernels);
    assert_eq!(parse(&text).unwrap_err().to_string(), "line 5: expected the end of the text, found `kernel`");
}

#[test]
fn a_damaged_text_is_an_error_or_another_kernel() {
    let written = kernel("k é", &["x", "x", ""], |b| {
        let (one, two) = (b.f32(1.0), b.i32(2));
        let mask = b.compare(Compare::Lt, one, one);
        let row = Some(Row { value: two, extent: 4, stride: 8 });
        let kept = b.for_each(2, &[one], |b, i, carried| {
            let index = Index { row, ..Index::of(i, 4) };
            b.prefetch(BufferId(0), Index::of(i, 4));
            let loaded = b.push(Operation::Load { buffer: BufferId(0), index, stride: 2, active: 3 });
            b.where_any(mask, carried, |b, values| vec![b.fma(loaded, values[0], loaded)])
        });
        kept[0]
    });
    let text = written.to_string();
    assert_eq!(parse(&text).expect("a kernel"), written);
    for (place, character) in text.trim_end().char_indices() {
        assert!(parse(&text[..place]).is_err(), "the first {place} bytes of\n{text}");
        let behind = &text[place + character.len_utf8()..];
        for put in ["", "9", "%", "\"", "-", "é", "99999999999999999999", "{"] {
            let damaged = format!("{}{put}{behind}", &text[..place]);
            if let Ok(read) = parse(&damaged) {
                // What it holds then is the text's, and is checked as every kernel.
                _ = read.check();
                assert_eq!(parse(&read.to_string()).expect("a kernel"), read, "\n{damaged}");
            }
        }
    }
}
