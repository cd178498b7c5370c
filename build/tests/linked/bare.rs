//! A program without Rust's standard library that predicts in a static arena: written by a test, compiled by rustc.
#![no_std]
#![no_main]

use core::panic::PanicInfo;

// ANCHOR: module
mod tiny_net {
    include!("tiny_net.rs");
}

use tiny_net::{Arena, TinyNet, Weights};

static WEIGHTS: Weights = Weights(*include_bytes!("tiny_net.weights"));
static mut ARENA: Arena = Arena::new();

/// Predicts, and compares with what was expected.
fn compare(x: &[f32; 128], expected: &[f32; 20]) -> Result<bool, tiny_net::Error> {
    // SAFETY: this is called once, and nobody else names it.
    let arena = unsafe { &mut *core::ptr::addr_of_mut!(ARENA) };
    let mut net = TinyNet::new(arena, &WEIGHTS)?;
    let mut prediction = [0.0; 20];
    net.run(x, &mut prediction)?;
    Ok(prediction.iter().zip(expected).all(|(a, b)| a.to_bits() == b.to_bits()))
}
// ANCHOR_END: module

#[panic_handler]
fn panic(_: &PanicInfo) -> ! {
    loop {}
}

// For `main` to be called.
#[link(name = "c")]
unsafe extern "C" {}

fn floats<const N: usize>(bytes: &[u8]) -> [f32; N] {
    core::array::from_fn(|i| f32::from_le_bytes([bytes[4 * i], bytes[4 * i + 1], bytes[4 * i + 2], bytes[4 * i + 3]]))
}

#[unsafe(no_mangle)]
pub extern "C" fn main() -> i32 {
    match compare(&floats(include_bytes!("x")), &floats(include_bytes!("expected"))) {
        Ok(true) => 0,
        Ok(false) => 1,
        Err(_) => 2,
    }
}
