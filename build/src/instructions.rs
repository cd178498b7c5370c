//! Machine code for what no intermediate language says: the floating-point mode, and what an x86-64 processor is.
//! Functions of System V's convention without a frame, the same bytes on every system. Which of them a program needs is
//! for `entry.rs` to say.

/// `fn(to: *mut Word)`: stores the floating-point control register; `fn(from: *const Word)`: loads it.
pub(crate) struct Mode {
    pub store: &'static [u8],
    pub load: &'static [u8],
    /// Rounding to the nearest, no traps; denormal numbers kept, and flushed.
    pub words: [i64; 2],
}

/// MXCSR, of 32 bits: all exceptions masked; flush to zero, and denormals are zero.
pub(crate) const MODE_X86: Mode = Mode {
    // stmxcsr [rdi]; ret
    store: &[0x0f, 0xae, 0x1f, 0xc3],
    // ldmxcsr [rdi]; ret
    load: &[0x0f, 0xae, 0x17, 0xc3],
    words: [0x1f80, 0x9fc0],
};

/// FPCR, of 64 bits: FZ.
pub(crate) const MODE_AARCH64: Mode = Mode {
    // mrs x1, fpcr; str x1, [x0]; ret
    store: &[0x01, 0x44, 0x3b, 0xd5, 0x01, 0x00, 0x00, 0xf9, 0xc0, 0x03, 0x5f, 0xd6],
    // ldr x1, [x0]; msr fpcr, x1; ret
    load: &[0x01, 0x00, 0x40, 0xf9, 0x01, 0x44, 0x1b, 0xd5, 0xc0, 0x03, 0x5f, 0xd6],
    words: [0, 1 << 24],
};

/// `fn(leaf: u32, subleaf: u32, to: *mut [u32; 4])`: what `cpuid` gives, `eax, ebx, ecx, edx`.
#[rustfmt::skip]
pub(crate) const CPUID: &[u8] = &[
    0x53,                   // push rbx
    0x49, 0x89, 0xd0,       // mov r8, rdx
    0x89, 0xf8,             // mov eax, edi
    0x89, 0xf1,             // mov ecx, esi
    0x0f, 0xa2,             // cpuid
    0x41, 0x89, 0x00,       // mov [r8], eax
    0x41, 0x89, 0x58, 0x04, // mov [r8 + 4], ebx
    0x41, 0x89, 0x48, 0x08, // mov [r8 + 8], ecx
    0x41, 0x89, 0x50, 0x0c, // mov [r8 + 12], edx
    0x5b,                   // pop rbx
    0xc3,                   // ret
];

/// `fn() -> u32`: which registers the system saves; only where `cpuid` says that it can be asked.
#[rustfmt::skip]
pub(crate) const XGETBV: &[u8] = &[
    0x31, 0xc9,             // xor ecx, ecx
    0x0f, 0x01, 0xd0,       // xgetbv
    0xc3,                   // ret
];

/// What a level of x86-64 needs: bits of `ecx` of `cpuid(1)`, of `ebx` and `ecx` of `cpuid(7, 0)`, and of `xgetbv`.
pub(crate) struct Needs {
    pub leaf1_ecx: u32,
    pub leaf7_ebx: u32,
    pub leaf7_ecx: u32,
    pub saved: u32,
}

const fn bits<const N: usize>(numbers: [u32; N]) -> u32 {
    let (mut all, mut place) = (0, 0);
    while place < N {
        all |= 1 << numbers[place];
        place += 1;
    }
    all
}

/// SSE3, SSSE3, SSE4.1, SSE4.2, POPCNT.
pub(crate) const BASELINE: Needs = Needs { leaf1_ecx: bits([0, 9, 19, 20, 23]), leaf7_ebx: 0, leaf7_ecx: 0, saved: 0 };
/// FMA, OSXSAVE, AVX; AVX2; XMM and YMM registers.
pub(crate) const AVX2: Needs =
    Needs { leaf1_ecx: BASELINE.leaf1_ecx | bits([12, 27, 28]), leaf7_ebx: bits([5]), saved: bits([1, 2]), ..BASELINE };
/// Besides F, DQ, BW, VL; masks, and both halves of ZMM registers.
pub(crate) const AVX512: Needs =
    Needs { leaf7_ebx: AVX2.leaf7_ebx | bits([16, 17, 30, 31]), saved: AVX2.saved | bits([5, 6, 7]), ..AVX2 };
/// Besides AVX512_VNNI.
pub(crate) const AVX512_VNNI: Needs = Needs { leaf7_ecx: bits([11]), ..AVX512 };
