//! A bounded run of a fuzz target: inputs that lie near known ones, the same in each run. It knows no target.

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

/// Numbers from xorshift.
struct Random(u64);

impl Random {
    fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % n.max(1) as u64) as usize
    }
}

/// Bytes that formats give a meaning to, or that lie at the ends of numbers' ranges.
const WORDS: [&[u8]; 12] = [
    &[0],
    &[0xff],
    &[0x80],
    &[0x7f],
    &[0xff; 4],
    &[0; 8],
    &[0xff, 0xff, 0xff, 0x7f],
    &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f],
    b"\n",
    b"\"",
    b".",
    b"-1",
];

/// The files of these folders of the repository, those up to 8 KB, in order of their names.
pub fn seeds(folders: &[&str]) -> Vec<Vec<u8>> {
    let mut paths = Vec::new();
    for folder in folders {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
        paths.extend(fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_file()));
    }
    paths.sort();
    let files: Vec<Vec<u8>> = paths.into_iter().map(|path| fs::read(path).unwrap()).collect();
    files.into_iter().filter(|bytes| bytes.len() <= 8 << 10).collect()
}

/// Checks the seeds and `count` inputs near them; panics with the first that fails.
pub fn check(seeds: &[Vec<u8>], count: usize, entry: impl Fn(&[u8])) {
    assert!(!seeds.is_empty());
    let mut random = Random(0x2545_f491_4f6c_dd1d);
    let run = |number: usize, bytes: &[u8]| {
        let result = catch_unwind(AssertUnwindSafe(|| entry(bytes)));
        assert!(result.is_ok(), "input {number} fails, which is {}", bytes.escape_ascii());
    };
    seeds.iter().enumerate().for_each(|(number, seed)| run(number, seed));
    for number in seeds.len()..seeds.len() + count {
        let mut bytes = seeds[random.below(seeds.len())].clone();
        for _ in 0..1 + random.below(4) {
            change(&mut bytes, seeds, &mut random);
        }
        run(number, &bytes);
    }
}

/// One change: a bit, a word written over others or put between them, a part taken out, doubled, or taken of another seed.
fn change(bytes: &mut Vec<u8>, seeds: &[Vec<u8>], random: &mut Random) {
    let place = random.below(bytes.len() + 1);
    let end = (place + random.below(16)).min(bytes.len());
    match random.below(6) {
        0 if place < bytes.len() => bytes[place] ^= 1 << random.below(8),
        1 => {
            let word = WORDS[random.below(WORDS.len())];
            let end = (place + word.len()).min(bytes.len());
            bytes.splice(place..end, word.iter().copied());
        }
        2 => drop(bytes.splice(place..place, WORDS[random.below(WORDS.len())].iter().copied())),
        3 => drop(bytes.drain(place..end)),
        4 => bytes.extend_from_within(place..end),
        _ => {
            let other = &seeds[random.below(seeds.len())];
            let start = random.below(other.len() + 1);
            let part = &other[start..(start + random.below(64)).min(other.len())];
            drop(bytes.splice(place..end, part.iter().copied()));
        }
    }
}
