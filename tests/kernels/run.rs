//! Runs a kernel by every emitter, natively and emulated, and by the kernel interpreter.

use kiln_graph::Bf16;
use kiln_jit::code::Code;
use kiln_jit::emit::{Convention, Emitter, EmitterKind, Level, X86};
use kiln_jit::kernel::*;
use kiln_jit::target;

use crate::emulator;

/// What a kernel's buffers hold, as the bits of each element.
pub type Contents = Vec<Vec<u32>>;

/// The elements of a buffer.
enum Elements {
    Floats(Vec<f32>),
    Integers(Vec<i32>),
    Halves(Vec<u16>),
    Bytes(Vec<u8>),
}

impl Elements {
    fn new(buffer: &Buffer, bits: &[u32]) -> Elements {
        match buffer.element {
            Element::F32 => Elements::Floats(bits.iter().map(|&bits| f32::from_bits(bits)).collect()),
            Element::I32 | Element::U8x4 | Element::I8x4 => {
                Elements::Integers(bits.iter().map(|&bits| bits as i32).collect())
            }
            Element::Bf16 => Elements::Halves(bits.iter().map(|&bits| bits as u16).collect()),
            Element::U8 | Element::I8 => Elements::Bytes(bits.iter().map(|&bits| bits as u8).collect()),
        }
    }

    fn slice(&mut self) -> Slice<'_> {
        match self {
            Elements::Floats(elements) => elements.as_mut_slice().into(),
            Elements::Integers(elements) => elements.as_mut_slice().into(),
            Elements::Halves(elements) => elements.as_mut_slice().into(),
            Elements::Bytes(elements) => elements.as_mut_slice().into(),
        }
    }

    fn bits(&self) -> Vec<u32> {
        match self {
            Elements::Floats(elements) => elements.iter().map(|x| x.to_bits()).collect(),
            Elements::Integers(elements) => elements.iter().map(|&x| x as u32).collect(),
            Elements::Halves(elements) => elements.iter().map(|&x| x.into()).collect(),
            Elements::Bytes(elements) => elements.iter().map(|&x| x.into()).collect(),
        }
    }
}

/// Runs `run` on slices with the given contents and gives what they hold then.
fn with_slices(kernel: &Kernel, contents: &Contents, run: impl FnOnce(&mut [Slice<'_>])) -> Contents {
    let buffers = kernel.buffers.iter().zip(contents);
    let mut elements: Vec<Elements> = buffers.map(|(buffer, bits)| Elements::new(buffer, bits)).collect();
    run(&mut elements.iter_mut().map(Elements::slice).collect::<Vec<_>>());
    elements.iter().map(Elements::bits).collect()
}

pub fn interpreted(kernel: &Kernel, contents: &Contents) -> Contents {
    with_slices(kernel, contents, |slices| interpret(kernel, slices))
}

/// The emitters that this machine runs and that take such a kernel.
fn native(kernel: &Kernel) -> impl Iterator<Item = EmitterKind> {
    let lanes = kernel.lanes;
    let takes = move |kind: &EmitterKind| kind.emitter().is_ok_and(|emitter| emitter.takes(lanes));
    let has_tiles = |kind: &EmitterKind| match kind {
        EmitterKind::Cranelift => true,
        EmitterKind::Avx2 => false,
        EmitterKind::Avx512 => target::tile_registers().is_ok(),
    };
    let needs_tiles = !kernel.tiles.is_empty();
    EmitterKind::ALL
        .into_iter()
        .filter(|kind| kind.runs_here())
        .filter(takes)
        .filter(move |kind| !needs_tiles || has_tiles(kind))
}

/// In two calls, as two threads would.
fn emitted(kernel: &Kernel, emitter: EmitterKind, contents: &Contents) -> Contents {
    let code = Code::new(std::slice::from_ref(kernel), emitter).unwrap_or_else(|error| panic!("{error}\n{kernel}"));
    with_slices(kernel, contents, |slices| {
        let middle = kernel.tasks() / 2;
        for tasks in [middle..kernel.tasks(), 0..middle] {
            code.call(0, slices, tasks).expect("the slices fit");
        }
    })
}

fn same(element: Element, a: u32, b: u32) -> bool {
    let nan = |bits: u32| match element {
        Element::F32 => f32::from_bits(bits).is_nan(),
        Element::Bf16 => f32::from(Bf16::from_bits(bits as u16)).is_nan(),
        Element::I32 | Element::U8 | Element::I8 | Element::U8x4 | Element::I8x4 => false,
    };
    a == b || nan(a) && nan(b)
}

/// That every emitter gives what the interpreter gives, natively and emulated; and that the kernel's text is read back.
pub fn check(kernel: &Kernel, contents: &Contents) {
    check_some(kernel, contents, |_, _| true);
}

/// The same, but of what this machine may run by itself, which is all but BF16 and VNNI, only every second kernel is
/// emulated, too, by its number.
pub fn check_in_turns(number: u64, kernel: &Kernel, contents: &Contents) {
    let levels = [(Level::Avx2, EmitterKind::Avx2, 0), (Level::Avx512, EmitterKind::Avx512, 1)];
    check_some(kernel, contents, |level, newer| {
        let is_due = |&(of, kind, turn): &(Level, EmitterKind, u64)| {
            of == level && (!kind.runs_here() || number / 4 % 2 == turn)
        };
        newer || levels.iter().any(is_due)
    });
}

/// What is emulated is told by the level, and whether it is with BF16 and VNNI.
fn check_some(kernel: &Kernel, contents: &Contents, emulates: impl Fn(Level, bool) -> bool) {
    let text = kernel.to_string();
    let read = parse(&text).unwrap_or_else(|error| panic!("{error}\n{text}"));
    assert!(read == *kernel, "this text is read as another kernel:\n{text}");
    let expected = interpreted(kernel, contents);
    native(kernel).for_each(|emitter| compare_native(kernel, emitter, contents, &expected));
    for (level, convention) in [(Level::Avx2, Convention::Windows), (Level::Avx512, Convention::SystemV)] {
        compare_emulated(kernel, level, convention, contents, &expected, |newer| emulates(level, newer));
    }
}

/// That every emitter whose code this machine runs gives what the interpreter gives.
pub fn check_native(kernel: &Kernel, contents: &Contents) {
    let expected = interpreted(kernel, contents);
    native(kernel).for_each(|emitter| compare_native(kernel, emitter, contents, &expected));
}

/// That an emitter whose code this machine runs gives what the interpreter gives.
pub fn check_native_by(kernel: &Kernel, emitter: EmitterKind, contents: &Contents) {
    compare_native(kernel, emitter, contents, &interpreted(kernel, contents));
}

fn compare_native(kernel: &Kernel, emitter: EmitterKind, contents: &Contents, expected: &Contents) {
    compare(kernel, &format!("{emitter}"), expected, &emitted(kernel, emitter, contents));
}

/// That the emulated code gives what the interpreter gives: with BF16 and VNNI, and without, where that makes a difference.
pub fn check_emulated(kernel: &Kernel, level: Level, convention: Convention, contents: &Contents) {
    compare_emulated(kernel, level, convention, contents, &interpreted(kernel, contents), |_| true);
}

fn compare_emulated(
    kernel: &Kernel,
    level: Level,
    convention: Convention,
    contents: &Contents,
    expected: &Contents,
    is_asked: impl Fn(bool) -> bool,
) {
    // Tile registers are AVX-512's alone.
    if !X86::new(level).takes(kernel.lanes) || level == Level::Avx2 && !kernel.tiles.is_empty() {
        return;
    }
    let halves = kernel.buffers.iter().any(|buffer| buffer.element == Element::Bf16) || has_products(&kernel.body);
    // With BF16 and VNNI, and without either.
    let with: &[bool] = if halves { &[false, true] } else { &[false] };
    for &newer in with.iter().filter(|&&newer| is_asked(newer)) {
        let emitter = X86::new(level).with_bf16(newer).with_vnni(newer).with_amx(true);
        compare_emulated_by(kernel, emitter, convention, contents, expected);
    }
}

/// The same of an emitter that takes the kernel.
pub fn check_emulated_by(kernel: &Kernel, emitter: X86, convention: Convention, contents: &Contents) {
    compare_emulated_by(kernel, emitter, convention, contents, &interpreted(kernel, contents));
}

fn compare_emulated_by(
    kernel: &Kernel,
    emitter: X86,
    convention: Convention,
    contents: &Contents,
    expected: &Contents,
) {
    let found = emulator::run(kernel, emitter, convention, contents);
    compare(kernel, &format!("{emitter:?} for {convention:?}, emulated"), expected, &found);
}

/// Whether pairs of bf16 or quads of bytes are multiplied.
fn has_products(body: &[Statement]) -> bool {
    body.iter().any(|statement| match statement {
        Statement::Let(_, operation) => matches!(operation, Operation::FmaPairs(..) | Operation::FmaQuads(..)),
        Statement::For(inner) => has_products(&inner.body),
        _ => false,
    })
}

fn compare(kernel: &Kernel, emitter: &str, expected: &Contents, found: &Contents) {
    for ((buffer, expected), found) in kernel.buffers.iter().zip(expected).zip(found) {
        for (place, (&expected, &found)) in expected.iter().zip(found).enumerate() {
            assert!(
                same(buffer.element, expected, found),
                "{}[{place}] is {found:#x} ({}) by {emitter}, expected {expected:#x} ({}) in\n{kernel}",
                buffer.name,
                f32::from_bits(found),
                f32::from_bits(expected),
            );
        }
    }
}
