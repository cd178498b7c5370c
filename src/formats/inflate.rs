//! Decompression that never takes more memory than was announced. It knows no archive.

use std::io::{self, Read};

use flate2::read::{DeflateDecoder, MultiGzDecoder};

/// How many bytes deflate makes of one, at most.
const MOST: u64 = 1032;

/// What is behind a decoder, if it is `expected` bytes; one more, if it goes on.
fn exactly(decoder: impl Read, compressed: usize, expected: u64) -> io::Result<Vec<u8>> {
    let most = (compressed as u64).saturating_mul(MOST).min(expected);
    let mut plain = Vec::with_capacity(usize::try_from(most).unwrap_or(0));
    decoder.take(expected.saturating_add(1)).read_to_end(&mut plain)?;
    Ok(plain)
}

/// The `expected` bytes that were deflated.
pub fn deflated(bytes: &[u8], expected: u64) -> io::Result<Vec<u8>> {
    let plain = exactly(DeflateDecoder::new(bytes), bytes.len(), expected)?;
    if plain.len() as u64 == expected {
        return Ok(plain);
    }
    let relation = if (plain.len() as u64) < expected { "fewer" } else { "more" };
    Err(io::Error::new(io::ErrorKind::InvalidData, format!("there are {relation} than the {expected} bytes announced")))
}

/// The first `count` bytes, or fewer, of what was deflated.
pub fn beginning(bytes: &[u8], count: usize) -> io::Result<Vec<u8>> {
    let mut plain = Vec::new();
    let mut decoder = DeflateDecoder::new(bytes).take(count as u64);
    match decoder.read_to_end(&mut plain) {
        // Of a part of what was deflated the end is missing.
        Err(error) if error.kind() != io::ErrorKind::UnexpectedEof => Err(error),
        _ => Ok(plain),
    }
}

/// Whether a file is gzipped, by its first bytes.
pub fn is_gzipped(bytes: &[u8]) -> bool {
    bytes.starts_with(&[0x1f, 0x8b])
}

/// What was gzipped, of a format whose first `head` bytes tell how long the whole is: at most so many bytes, and how many
/// follow them.
pub fn gunzipped_to(bytes: &[u8], head: u64, length: impl FnOnce(&[u8]) -> u64) -> io::Result<(Vec<u8>, u64)> {
    let mut decoder = MultiGzDecoder::new(bytes);
    let mut plain = Vec::new();
    decoder.by_ref().take(head).read_to_end(&mut plain)?;
    let length = length(&plain);
    decoder.by_ref().take(length.saturating_sub(plain.len() as u64)).read_to_end(&mut plain)?;
    let more = io::copy(&mut decoder, &mut io::sink())?;
    Ok((plain, more))
}

/// All that was gzipped.
pub fn gunzipped(bytes: &[u8]) -> io::Result<Vec<u8>> {
    let mut plain = Vec::new();
    MultiGzDecoder::new(bytes).read_to_end(&mut plain)?;
    Ok(plain)
}
