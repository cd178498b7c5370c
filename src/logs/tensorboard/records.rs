//! The records of TensorFlow's files: a length, its checksum, the bytes, theirs. It knows nothing of what they are.

/// The table of CRC-32C (Castagnoli's polynomial, reflected), a byte at a time.
const TABLE: [u32; 256] = {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let mut crc = byte as u32;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc & 1 == 1 { crc >> 1 ^ 0x82f6_3b78 } else { crc >> 1 };
            bit += 1;
        }
        table[byte] = crc;
        byte += 1;
    }
    table
};

fn crc(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0, |crc: u32, &byte| crc >> 8 ^ TABLE[(crc as u8 ^ byte) as usize])
}

/// The checksum as these files have it, so that one of bytes that hold checksums is no special case.
fn masked(bytes: &[u8]) -> u32 {
    crc(bytes).rotate_right(15).wrapping_add(0xa282_ead8)
}

/// The bytes of a record.
pub fn record(data: &[u8]) -> Vec<u8> {
    let length = (data.len() as u64).to_le_bytes();
    let mut record = Vec::with_capacity(data.len() + 16);
    record.extend(length);
    record.extend(masked(&length).to_le_bytes());
    record.extend(data);
    record.extend(masked(data).to_le_bytes());
    record
}

/// How many bytes the records have that are whole, up to the first that is not to be kept.
pub fn whole(bytes: &[u8], mut keeps: impl FnMut(&[u8]) -> bool) -> usize {
    let mut kept = 0;
    while let Some((data, size)) = first(&bytes[kept..]) {
        if !keeps(data) {
            break;
        }
        kept += size;
    }
    kept
}

/// What is in the first record, and how many bytes it has, if it is whole.
fn first(bytes: &[u8]) -> Option<(&[u8], usize)> {
    let (head, rest) = (bytes.first_chunk::<8>()?, bytes.get(12..)?);
    let length = usize::try_from(u64::from_le_bytes(*head)).ok()?;
    let data = rest.get(..length)?;
    let sum = rest.get(length..)?.first_chunk::<4>()?;
    let is_whole = bytes[8..12] == masked(head).to_le_bytes() && *sum == masked(data).to_le_bytes();
    is_whole.then_some((data, length + 16))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The known answers of RFC 3720, B.4.
    #[test]
    fn checksums_are_castagnolis() {
        let cases: [(&[u8], u32); 4] =
            [(b"", 0), (&[0; 32], 0x8a91_36aa), (&[0xff; 32], 0x62a8_ab43), (b"123456789", 0xe306_9283)];
        for (bytes, expected) in cases {
            assert_eq!(crc(bytes), expected, "{bytes:?}");
        }
    }

    #[test]
    fn what_is_not_whole_is_not_kept() {
        let bytes = [record(b"one"), record(b""), record(b"three")].concat();
        for cut in 0..=bytes.len() {
            let expected = [0, 19, 35, 56].into_iter().rfind(|&end| end <= cut).unwrap_or(0);
            assert_eq!(whole(&bytes[..cut], |_| true), expected, "cut at {cut}");
        }
        assert_eq!(whole(&bytes, |data| data != b"three"), 35);
        for at in 19..35 {
            let mut broken = bytes.clone();
            broken[at] ^= 1;
            assert_eq!(whole(&broken, |_| true), 19, "broken at {at}");
        }
    }
}
