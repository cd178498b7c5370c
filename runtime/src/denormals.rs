//! UNSAFE: how the processor treats denormal (subnormal) numbers on the present thread, below 1.18e-38 in magnitude. It
//! knows the control register and nothing of what is computed.
//!
//! Most processors take a hundred times longer for an operation on denormal numbers. With them flushed, operands and
//! results that are denormal count as 0 (flush to zero and denormals are zero in MXCSR on x86-64, FZ in FPCR on
//! aarch64).
//!
//! # Safety
//! Rust takes for granted that its own floating-point operations run in the mode in which a program starts. So a mode
//! holds for a call of [`in_mode`] alone, whose caller promises that nothing but emitted code computes with floats
//! meanwhile.

/// Runs something with denormal numbers flushed or kept, rounding to the nearest and without traps, whatever the thread's mode
/// is; afterwards, also after a panic, that is what it was.
///
/// # Safety
/// `work` computes with floating-point numbers in emitted code alone.
pub unsafe fn in_mode<R>(flush: bool, work: impl FnOnce() -> R) -> R {
    let _restored = Mode::set(register::control(flush));
    work()
}

/// Puts the register back.
struct Mode {
    before: Option<register::Word>,
}

impl Mode {
    fn set(control: register::Word) -> Mode {
        let before = register::read();
        if register::is(before, control) {
            return Mode { before: None };
        }
        register::write(control);
        Mode { before: Some(before) }
    }
}

impl Drop for Mode {
    fn drop(&mut self) {
        if let Some(before) = self.before {
            register::write(before);
        }
    }
}

/// MXCSR.
#[cfg(target_arch = "x86_64")]
mod register {
    use std::arch::asm;

    pub type Word = u32;

    /// All exceptions masked, rounding to the nearest.
    const DEFAULT: u32 = 0x1f80;
    /// Flush to zero, and denormals are zero.
    const FLUSH: u32 = 0x8040;
    /// What has happened, which is no part of the mode.
    const FLAGS: u32 = 0x3f;

    pub fn control(flush: bool) -> u32 {
        if flush { DEFAULT | FLUSH } else { DEFAULT }
    }

    pub fn is(word: u32, control: u32) -> bool {
        word & !FLAGS == control
    }

    pub fn read() -> u32 {
        let mut word = 0;
        // SAFETY: writes four bytes to the address of four.
        unsafe { asm!("stmxcsr [{}]", in(reg) &mut word, options(nostack, preserves_flags)) };
        word
    }

    pub fn write(word: u32) {
        // SAFETY: reads four bytes. The word is one of `control` or was read here, so that no reserved bit is set; what runs
        // in its mode is what `in_mode` allows.
        unsafe { asm!("ldmxcsr [{}]", in(reg) &word, options(nostack, preserves_flags)) };
    }
}

/// FPCR.
#[cfg(target_arch = "aarch64")]
mod register {
    use std::arch::asm;

    pub type Word = u64;

    /// FZ: operands and results.
    const FLUSH: u64 = 1 << 24;

    pub fn control(flush: bool) -> u64 {
        if flush { FLUSH } else { 0 }
    }

    pub fn is(word: u64, control: u64) -> bool {
        word == control
    }

    pub fn read() -> u64 {
        let word;
        // SAFETY: reads a register that every program may read.
        unsafe { asm!("mrs {}, fpcr", out(reg) word, options(nomem, nostack, preserves_flags)) };
        word
    }

    pub fn write(word: u64) {
        // SAFETY: the word is one of `control` or was read here; what runs in its mode is what `in_mode` allows.
        unsafe { asm!("msr fpcr, {}", in(reg) word, options(nostack, preserves_flags)) };
    }
}

/// No register that is known here: numbers are as the machine has them.
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
mod register {
    pub type Word = ();

    pub fn control(_: bool) {}

    pub fn is(_: (), _: ()) -> bool {
        true
    }

    pub fn read() {}

    pub fn write(_: ()) {}
}

#[cfg(all(test, any(target_arch = "x86_64", target_arch = "aarch64")))]
mod tests {
    use std::hint::black_box;
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use super::*;

    /// Whether this thread flushes; by an operation that the compiler can not do beforehand.
    fn flushes() -> bool {
        black_box(1e-30f32) * black_box(1e-10f32) == 0.0
    }

    #[test]
    fn a_mode_ends_with_its_call_also_by_a_panic() {
        assert!(!flushes());
        for flush in [true, false] {
            // SAFETY: one multiplication that `black_box` keeps where it stands; either result is one.
            assert_eq!(unsafe { in_mode(flush, flushes) }, flush);
            assert!(!flushes());
            // SAFETY: as above.
            let nested = || unsafe { in_mode(true, || (in_mode(flush, flushes), flushes())) };
            assert_eq!(nested(), (flush, true));
            // SAFETY: nothing is computed.
            let panicking = || unsafe { in_mode(flush, || panic!("no result")) };
            catch_unwind(AssertUnwindSafe(panicking)).expect_err("it panics");
            assert!(!flushes());
        }
    }
}
