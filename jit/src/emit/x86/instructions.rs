//! The vector instructions that the emitter uses, by their encodings. It knows no kernel.

use iced_x86::{Code, Register};

/// The vector instructions of a processor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Level {
    /// AVX2 and FMA3: 16 registers of up to 256 bits, masks are vectors.
    Avx2,
    /// AVX-512 F, VL, DQ and BW, with or without BF16: 32 registers of up to 512 bits, 7 registers of masks, memory operands that are one element.
    Avx512,
}

/// How much of a register counts. Kernels of one lane use the first lane of 128 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Length {
    /// 128 bits.
    Xmm,
    /// 256 bits.
    Ymm,
    /// 512 bits.
    Zmm,
}

impl Length {
    /// What values of so many lanes fill.
    pub fn of(lanes: usize) -> Length {
        match lanes {
            0..=4 => Length::Xmm,
            5..=8 => Length::Ymm,
            _ => Length::Zmm,
        }
    }

    /// The bytes.
    pub fn bytes(self) -> usize {
        16 << self as usize
    }

    /// The lanes of 32 bits.
    pub fn lanes(self) -> usize {
        self.bytes() / 4
    }

    /// The name of a register at this length.
    pub fn register(self, number: u8) -> Register {
        let first = match self {
            Length::Xmm => Register::XMM0,
            Length::Ymm => Register::YMM0,
            Length::Zmm => Register::ZMM0,
        };
        first + number as u32
    }
}

/// An instruction that comes in all lengths: the encodings for 128 bits, which those for 256 and (EVEX) 512 follow.
#[derive(Clone, Copy, Debug)]
pub struct Op {
    vex: Code,
    evex: Code,
}

impl Op {
    /// The encoding for a level and a length.
    pub fn code(self, level: Level, length: Length) -> Code {
        let (first, longest) = match level {
            Level::Avx2 => (self.vex, Length::Ymm),
            Level::Avx512 => (self.evex, Length::Zmm),
        };
        assert!(length as usize <= longest as usize && first != Code::INVALID, "{self:?} at {length:?} with {level:?}");
        Code::try_from(first as usize + length as usize).expect("the encodings of all lengths follow each other")
    }
}

/// An instruction of one length.
#[derive(Clone, Copy, Debug)]
pub struct Fixed {
    vex: Code,
    evex: Code,
}

impl Fixed {
    /// The encoding for a level.
    pub fn code(self, level: Level) -> Code {
        match level {
            Level::Avx2 => self.vex,
            Level::Avx512 => self.evex,
        }
    }
}

macro_rules! table {
    ($kind:ident $all:ident { $($name:ident = $vex:ident, $evex:ident;)* }) => {
        $(pub const $name: $kind = $kind { vex: Code::$vex, evex: Code::$evex };)*
        #[cfg(test)]
        const $all: &[$kind] = &[$($name),*];
    };
}

table! { Op ALL {
    ADD = VEX_Vaddps_xmm_xmm_xmmm128, EVEX_Vaddps_xmm_k1z_xmm_xmmm128b32;
    SUB = VEX_Vsubps_xmm_xmm_xmmm128, EVEX_Vsubps_xmm_k1z_xmm_xmmm128b32;
    MUL = VEX_Vmulps_xmm_xmm_xmmm128, EVEX_Vmulps_xmm_k1z_xmm_xmmm128b32;
    DIV = VEX_Vdivps_xmm_xmm_xmmm128, EVEX_Vdivps_xmm_k1z_xmm_xmmm128b32;
    MIN = VEX_Vminps_xmm_xmm_xmmm128, EVEX_Vminps_xmm_k1z_xmm_xmmm128b32;
    MAX = VEX_Vmaxps_xmm_xmm_xmmm128, EVEX_Vmaxps_xmm_k1z_xmm_xmmm128b32;
    SQRT = VEX_Vsqrtps_xmm_xmmm128, EVEX_Vsqrtps_xmm_k1z_xmmm128b32;
    ROUND = VEX_Vroundps_xmm_xmmm128_imm8, EVEX_Vrndscaleps_xmm_k1z_xmmm128b32_imm8;
    FMA_132 = VEX_Vfmadd132ps_xmm_xmm_xmmm128, EVEX_Vfmadd132ps_xmm_k1z_xmm_xmmm128b32;
    FMA_213 = VEX_Vfmadd213ps_xmm_xmm_xmmm128, EVEX_Vfmadd213ps_xmm_k1z_xmm_xmmm128b32;
    FMA_231 = VEX_Vfmadd231ps_xmm_xmm_xmmm128, EVEX_Vfmadd231ps_xmm_k1z_xmm_xmmm128b32;
    ADD_I32 = VEX_Vpaddd_xmm_xmm_xmmm128, EVEX_Vpaddd_xmm_k1z_xmm_xmmm128b32;
    SUB_I32 = VEX_Vpsubd_xmm_xmm_xmmm128, EVEX_Vpsubd_xmm_k1z_xmm_xmmm128b32;
    MUL_I32 = VEX_Vpmulld_xmm_xmm_xmmm128, EVEX_Vpmulld_xmm_k1z_xmm_xmmm128b32;
    MUL_U64 = VEX_Vpmuludq_xmm_xmm_xmmm128, EVEX_Vpmuludq_xmm_k1z_xmm_xmmm128b64;
    MIN_I32 = VEX_Vpminsd_xmm_xmm_xmmm128, EVEX_Vpminsd_xmm_k1z_xmm_xmmm128b32;
    MAX_I32 = VEX_Vpmaxsd_xmm_xmm_xmmm128, EVEX_Vpmaxsd_xmm_k1z_xmm_xmmm128b32;
    AND = VEX_Vpand_xmm_xmm_xmmm128, EVEX_Vpandd_xmm_k1z_xmm_xmmm128b32;
    OR = VEX_Vpor_xmm_xmm_xmmm128, EVEX_Vpord_xmm_k1z_xmm_xmmm128b32;
    XOR = VEX_Vpxor_xmm_xmm_xmmm128, EVEX_Vpxord_xmm_k1z_xmm_xmmm128b32;
    LEFT = VEX_Vpslld_xmm_xmm_imm8, EVEX_Vpslld_xmm_k1z_xmmm128b32_imm8;
    RIGHT_LOGICAL = VEX_Vpsrld_xmm_xmm_imm8, EVEX_Vpsrld_xmm_k1z_xmmm128b32_imm8;
    RIGHT_ARITHMETIC = VEX_Vpsrad_xmm_xmm_imm8, EVEX_Vpsrad_xmm_k1z_xmmm128b32_imm8;
    RIGHT_U64 = VEX_Vpsrlq_xmm_xmm_imm8, EVEX_Vpsrlq_xmm_k1z_xmmm128b64_imm8;
    LEFT_U64 = VEX_Vpsllq_xmm_xmm_imm8, EVEX_Vpsllq_xmm_k1z_xmmm128b64_imm8;
    COMPARE = VEX_Vcmpps_xmm_xmm_xmmm128_imm8, EVEX_Vcmpps_kr_k1_xmm_xmmm128b32_imm8;
    EQUAL_I32 = VEX_Vpcmpeqd_xmm_xmm_xmmm128, EVEX_Vpcmpeqd_kr_k1_xmm_xmmm128b32;
    GREATER_I32 = VEX_Vpcmpgtd_xmm_xmm_xmmm128, EVEX_Vpcmpgtd_kr_k1_xmm_xmmm128b32;
    COMPARE_I32 = INVALID, EVEX_Vpcmpd_kr_k1_xmm_xmmm128b32_imm8;
    TEST_I32 = INVALID, EVEX_Vptestmd_kr_k1_xmm_xmmm128b32;
    BLEND_LANES = VEX_Vpblendd_xmm_xmm_xmmm128_imm8, INVALID;
    SELECT_VECTOR = VEX_Vblendvps_xmm_xmm_xmmm128_xmm, INVALID;
    SELECT_MASK = INVALID, EVEX_Vblendmps_xmm_k1z_xmm_xmmm128b32;
    TRUNCATE = VEX_Vcvttps2dq_xmm_xmmm128, EVEX_Vcvttps2dq_xmm_k1z_xmmm128b32;
    TO_F32 = VEX_Vcvtdq2ps_xmm_xmmm128, EVEX_Vcvtdq2ps_xmm_k1z_xmmm128b32;
    BROADCAST = VEX_Vbroadcastss_xmm_m32, EVEX_Vbroadcastss_xmm_k1z_xmmm32;
    BROADCAST_LANE = VEX_Vbroadcastss_xmm_xmm, EVEX_Vbroadcastss_xmm_k1z_xmmm32;
    BROADCAST_GENERAL = INVALID, EVEX_Vpbroadcastd_xmm_k1z_r32;
    MOVE = VEX_Vmovaps_xmm_xmmm128, EVEX_Vmovaps_xmm_k1z_xmmm128;
    LOAD = VEX_Vmovups_xmm_xmmm128, EVEX_Vmovups_xmm_k1z_xmmm128;
    STORE = VEX_Vmovups_xmmm128_xmm, EVEX_Vmovups_xmmm128_k1z_xmm;
    LOAD_SOME = VEX_Vmaskmovps_xmm_xmm_m128, INVALID;
    GATHER = VEX_Vgatherdps_xmm_vm32x_xmm, EVEX_Vgatherdps_xmm_k1_vm32x;
    LOW_LANES = VEX_Vunpcklps_xmm_xmm_xmmm128, EVEX_Vunpcklps_xmm_k1z_xmm_xmmm128b32;
    HIGH_LANES = VEX_Vunpckhps_xmm_xmm_xmmm128, EVEX_Vunpckhps_xmm_k1z_xmm_xmmm128b32;
    LOW_PAIRS = VEX_Vunpcklpd_xmm_xmm_xmmm128, EVEX_Vunpcklpd_xmm_k1z_xmm_xmmm128b64;
    HIGH_PAIRS = VEX_Vunpckhpd_xmm_xmm_xmmm128, EVEX_Vunpckhpd_xmm_k1z_xmm_xmmm128b64;
    WIDEN_HALVES = VEX_Vpmovzxwd_xmm_xmmm64, EVEX_Vpmovzxwd_xmm_k1z_xmmm64;
    BROADCAST_HALF = VEX_Vpbroadcastw_xmm_xmmm16, EVEX_Vpbroadcastw_xmm_k1z_xmmm16;
    PACK = VEX_Vpackusdw_xmm_xmm_xmmm128, INVALID;
    AND_NOT = VEX_Vpandn_xmm_xmm_xmmm128, INVALID;
    NARROW = INVALID, EVEX_Vpmovdw_xmmm64_k1z_xmm;
    TO_BF16 = INVALID, EVEX_Vcvtneps2bf16_xmm_k1z_xmmm128b32;
    FMA_PAIRS = INVALID, EVEX_Vdpbf16ps_xmm_k1z_xmm_xmmm128b32;
    FMA_QUADS = VEX_Vpdpbusd_xmm_xmm_xmmm128, EVEX_Vpdpbusd_xmm_k1z_xmm_xmmm128b32;
    ADD_PAIRS = VEX_Vpmaddwd_xmm_xmm_xmmm128, EVEX_Vpmaddwd_xmm_k1z_xmm_xmmm128;
    LEFT_HALVES = VEX_Vpsllw_xmm_xmm_imm8, EVEX_Vpsllw_xmm_k1z_xmmm128_imm8;
    RIGHT_HALVES = VEX_Vpsrlw_xmm_xmm_imm8, EVEX_Vpsrlw_xmm_k1z_xmmm128_imm8;
    RIGHT_SIGNED_HALVES = VEX_Vpsraw_xmm_xmm_imm8, EVEX_Vpsraw_xmm_k1z_xmmm128_imm8;
    WIDEN_UNSIGNED = VEX_Vpmovzxbd_xmm_xmmm32, EVEX_Vpmovzxbd_xmm_k1z_xmmm32;
    WIDEN_SIGNED = VEX_Vpmovsxbd_xmm_xmmm32, EVEX_Vpmovsxbd_xmm_k1z_xmmm32;
    NARROW_TO_BYTES = INVALID, EVEX_Vpmovdb_xmmm32_k1z_xmm;
    PACK_BYTES = VEX_Vpackuswb_xmm_xmm_xmmm128, INVALID;
    ODD_LANES = VEX_Vmovshdup_xmm_xmmm128, EVEX_Vmovshdup_xmm_k1z_xmmm128;
} }

table! { Fixed ALL_FIXED {
    LOAD_ONE = VEX_Vmovss_xmm_m32, EVEX_Vmovss_xmm_k1z_m32;
    LOAD_TWO = VEX_Vmovsd_xmm_m64, EVEX_Vmovsd_xmm_k1z_m64;
    STORE_ONE = VEX_Vmovss_m32_xmm, EVEX_Vmovss_m32_k1_xmm;
    STORE_TWO = VEX_Vmovlps_m64_xmm, EVEX_Vmovlps_m64_xmm;
    HIGH_TO_LOW = VEX_Vmovhlps_xmm_xmm_xmm, EVEX_Vmovhlps_xmm_xmm_xmm;
    INSERT_LANE = VEX_Vinsertps_xmm_xmm_xmmm32_imm8, EVEX_Vinsertps_xmm_xmm_xmmm32_imm8;
    EXTRACT_LANE = VEX_Vextractps_rm32_xmm_imm8, EVEX_Vextractps_rm32_xmm_imm8;
    EXTRACT_128_OF_256 = VEX_Vextractf128_xmmm128_ymm_imm8, EVEX_Vextractf32x4_xmmm128_k1z_ymm_imm8;
    INSERT_128_IN_256 = VEX_Vinsertf128_ymm_ymm_xmmm128_imm8, EVEX_Vinsertf32x4_ymm_k1z_ymm_xmmm128_imm8;
    EXTRACT_128_OF_512 = INVALID, EVEX_Vextractf32x4_xmmm128_k1z_zmm_imm8;
    INSERT_128_IN_512 = INVALID, EVEX_Vinsertf32x4_zmm_k1z_zmm_xmmm128_imm8;
    EXTRACT_256_OF_512 = INVALID, EVEX_Vextractf64x4_ymmm256_k1z_zmm_imm8;
    GROUPS_OF_256 = VEX_Vperm2f128_ymm_ymm_ymmm256_imm8, EVEX_Vshuff32x4_ymm_k1z_ymm_ymmm256b32_imm8;
    ROTATE_512 = INVALID, EVEX_Valignd_zmm_k1z_zmm_zmmm512b32_imm8;
    GROUPS_OF_512 = INVALID, EVEX_Vshuff32x4_zmm_k1z_zmm_zmmm512b32_imm8;
    INSERT_HALF = VEX_Vpinsrw_xmm_xmm_r32m16_imm8, EVEX_Vpinsrw_xmm_xmm_r32m16_imm8;
    EXTRACT_HALF = VEX_Vpextrw_r32m16_xmm_imm8, EVEX_Vpextrw_r32m16_xmm_imm8;
    INSERT_GENERAL = VEX_Vpinsrd_xmm_xmm_rm32_imm8, EVEX_Vpinsrd_xmm_xmm_rm32_imm8;
    EXTRACT_BYTE = VEX_Vpextrb_r32m8_xmm_imm8, EVEX_Vpextrb_r32m8_xmm_imm8;
    PERMUTE_PAIRS = VEX_Vpermq_ymm_ymmm256_imm8, INVALID;
    FROM_GENERAL = VEX_Vmovd_xmm_rm32, EVEX_Vmovd_xmm_rm32;
    TO_GENERAL = VEX_Vmovd_rm32_xmm, EVEX_Vmovd_rm32_xmm;
} }

#[cfg(test)]
mod tests {
    use super::*;

    /// `EVEX_Vaddps_xmm_..` and `EVEX_Vaddps_zmm_..`: the same mnemonic, and the length where one is named.
    #[test]
    fn the_encodings_of_all_lengths_follow_each_other() {
        let parts = |code: Code| {
            let name = format!("{code:?}");
            let mut parts = name.split('_').map(str::to_owned);
            let (prefix, mnemonic) = (parts.next(), parts.next());
            (prefix, mnemonic, parts.collect::<Vec<_>>().join("_"))
        };
        for op in ALL {
            for (level, first, lengths) in [
                (Level::Avx2, op.vex, &[Length::Xmm, Length::Ymm][..]),
                (Level::Avx512, op.evex, &[Length::Xmm, Length::Ymm, Length::Zmm][..]),
            ] {
                for &length in lengths.iter().filter(|_| first != Code::INVALID) {
                    let ((prefix, mnemonic, _), found) = (parts(first), parts(op.code(level, length)));
                    assert_eq!((&found.0, &found.1), (&prefix, &mnemonic));
                    assert!(found.2.contains(&format!("{length:?}").to_lowercase()), "{found:?} at {length:?}");
                }
            }
        }
        for fixed in ALL_FIXED {
            for (code, prefix) in [(fixed.vex, "VEX"), (fixed.evex, "EVEX")] {
                assert!(code == Code::INVALID || parts(code).0.as_deref() == Some(prefix), "{code:?}");
            }
        }
    }
}
