//! UNSAFE: asks the system for the tile registers of x86-64 (AMX), which are 8 KiB of state more for every thread that
//! uses them, so that a process has them only once it has asked. It knows the system call, and how a processor tells
//! what the system saves.

use std::sync::OnceLock;

/// Whether the system lets this process, with all its threads, use tile registers: it is asked once, before code for
/// them is planned. It refuses where it has no room for their state, where the
/// processor has none, or where it does not know them or has not enabled them.
pub fn permitted() -> bool {
    static PERMITTED: OnceLock<bool> = OnceLock::new();
    *PERMITTED.get_or_init(ask)
}

#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
fn ask() -> bool {
    /// `ARCH_REQ_XCOMP_PERM` of Linux' `asm/prctl.h`, from 5.16 on: permission for a component of the processor's
    /// state.
    const ASK: libc::c_long = 0x1023;
    /// The elements of tiles (`XTILEDATA`); their configuration needs no permission of its own.
    const TILE_DATA: libc::c_long = 18;
    // A system that knows no such call, or emulates it, may answer anything.
    if !is_x86_feature_detected!("xsave") {
        return false;
    }
    // SAFETY: the processor has the instruction, and the system lets programs use it.
    if unsafe { saved() } & TILES != TILES {
        return false;
    }
    // SAFETY: the call takes two numbers, reads and writes no memory of this process, and changes nothing but what the
    // process may use; where the system does not know it, it says so.
    unsafe { libc::syscall(libc::SYS_arch_prctl, ASK, TILE_DATA) == 0 }
}

/// The bits of XCR0 that stand for the configuration of tiles and for their elements.
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
const TILES: u64 = 1 << 17 | 1 << 18;

/// XCR0: which components of the processor's state the system has enabled, and saves for every thread.
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
#[target_feature(enable = "xsave")]
fn saved() -> u64 {
    // SAFETY: reads a register that every program may read.
    unsafe { std::arch::x86_64::_xgetbv(0) }
}

#[cfg(not(all(target_os = "linux", target_arch = "x86_64")))]
fn ask() -> bool {
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answer_stays_the_same() {
        assert_eq!(permitted(), permitted());
        assert_eq!(permitted(), ask());
    }
}
