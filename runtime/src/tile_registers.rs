//! UNSAFE: asks the system for the tile registers of x86-64 (AMX), which are 8 KiB of state more for every thread that
//! uses them, so that a process has them only once it has asked. It knows the system call and no instruction.

use std::sync::OnceLock;

/// Whether the system lets this process, and all threads that it makes from now on, use tile registers: it is asked
/// once, before any thread is made that may need them. It refuses where it has no room for their state, where the
/// processor has none, or where it does not know them.
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
    // SAFETY: the call takes two numbers, reads and writes no memory of this process, and changes nothing but what the
    // process may use; where the system does not know it, it says so.
    unsafe { libc::syscall(libc::SYS_arch_prctl, ASK, TILE_DATA) == 0 }
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
