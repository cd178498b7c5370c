//! Runs a kernel by every emitter, natively and emulated, and by the kernel interpreter.

use kiln_jit::code::Code;
use kiln_jit::emit::{Convention, Emitter, EmitterKind, Level, X86};
use kiln_jit::kernel::*;

use crate::emulator;

/// What a kernel's buffers hold, as bits.
pub type Contents = Vec<Vec<u32>>;

fn slices<'a>(kernel: &Kernel, floats: &'a mut [Vec<f32>], integers: &'a mut [Vec<i32>]) -> Vec<Slice<'a>> {
    let (mut floats, mut integers) = (floats.iter_mut(), integers.iter_mut());
    let slice = |buffer: &Buffer| match buffer.element {
        Element::F32 => floats.next().expect("one for each").as_mut_slice().into(),
        Element::I32 => integers.next().expect("one for each").as_mut_slice().into(),
    };
    kernel.buffers.iter().map(slice).collect()
}

/// Runs `run` on slices with the given contents and gives what they hold then.
fn with_slices(kernel: &Kernel, contents: &Contents, run: impl FnOnce(&mut [Slice<'_>])) -> Contents {
    let of = |element| kernel.buffers.iter().zip(contents).filter(move |(b, _)| b.element == element).map(|(_, c)| c);
    let mut floats: Vec<Vec<f32>> =
        of(Element::F32).map(|words| words.iter().map(|&bits| f32::from_bits(bits)).collect()).collect();
    let mut integers: Vec<Vec<i32>> =
        of(Element::I32).map(|words| words.iter().map(|&bits| bits as i32).collect()).collect();
    run(&mut slices(kernel, &mut floats, &mut integers));
    let (mut floats, mut integers) = (floats.into_iter(), integers.into_iter());
    let bits = |buffer: &Buffer| match buffer.element {
        Element::F32 => floats.next().expect("one for each").into_iter().map(f32::to_bits).collect(),
        Element::I32 => integers.next().expect("one for each").into_iter().map(|x| x as u32).collect(),
    };
    kernel.buffers.iter().map(bits).collect()
}

pub fn interpreted(kernel: &Kernel, contents: &Contents) -> Contents {
    with_slices(kernel, contents, |slices| interpret(kernel, slices))
}

/// The emitters that this machine runs and that take so many lanes.
pub fn native(lanes: usize) -> impl Iterator<Item = EmitterKind> {
    let takes = move |kind: &EmitterKind| kind.emitter().is_ok_and(|emitter| emitter.takes(lanes));
    EmitterKind::ALL.into_iter().filter(|kind| kind.runs_here()).filter(takes)
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
    a == b || element == Element::F32 && f32::from_bits(a).is_nan() && f32::from_bits(b).is_nan()
}

/// That every emitter gives what the interpreter gives, natively and emulated; and that the kernel's text is read back.
pub fn check(kernel: &Kernel, contents: &Contents) {
    let text = kernel.to_string();
    let read = parse(&text).unwrap_or_else(|error| panic!("{error}\n{text}"));
    assert!(read == *kernel, "this text is read as another kernel:\n{text}");
    check_native(kernel, contents);
    for (level, convention) in [(Level::Avx2, Convention::Windows), (Level::Avx512, Convention::SystemV)] {
        check_emulated(kernel, level, convention, contents);
    }
}

/// That every emitter whose code this machine runs gives what the interpreter gives.
pub fn check_native(kernel: &Kernel, contents: &Contents) {
    let expected = interpreted(kernel, contents);
    for emitter in native(kernel.lanes) {
        compare(kernel, &format!("{emitter}"), &expected, &emitted(kernel, emitter, contents));
    }
}

/// That the emulated code gives what the interpreter gives.
pub fn check_emulated(kernel: &Kernel, level: Level, convention: Convention, contents: &Contents) {
    if !X86::new(level).takes(kernel.lanes) {
        return;
    }
    let found = emulator::run(kernel, level, convention, contents);
    compare(kernel, &format!("{level:?} for {convention:?}, emulated"), &interpreted(kernel, contents), &found);
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
