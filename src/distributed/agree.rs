//! What ranks tell each other before a training: that they are about to do the same. Knows networks, and no trainers.

use std::time::Duration;

use super::ExchangeError;
use super::network::{Messages, Network};

/// The words of all ranks, in order: as many from each.
pub(super) fn gather(
    network: &mut dyn Network,
    words: Vec<u32>,
    limit: Duration,
) -> Result<Vec<Vec<u32>>, ExchangeError> {
    let (rank, ranks, length) = (network.rank(), network.ranks(), words.len());
    let own = |of: usize| if of == rank { 0 } else { length };
    // This rank's words behind those of all.
    let mut numbers = vec![0.0; length * ranks];
    numbers.extend(words.iter().map(|&word| f32::from_bits(word)));
    let sends = (0..ranks).map(|of| ranks * length..ranks * length + own(of)).collect();
    let receives = (0..ranks).map(|of| of * length..of * length + own(of)).collect();
    let mut messages = Messages { numbers, sends, receives };
    network.swap(&mut messages, limit)?;
    let of_rank = |of: usize| messages.numbers[of * length..][..length].iter().map(|number| number.to_bits()).collect();
    Ok((0..ranks).map(|of| if of == rank { words.clone() } else { of_rank(of) }).collect())
}

/// The words of rank 0, on all ranks.
pub(super) fn tell(
    network: &mut dyn Network,
    words: Vec<u32>,
    length: usize,
    limit: Duration,
) -> Result<Vec<u32>, ExchangeError> {
    let (rank, ranks) = (network.rank(), network.ranks());
    let of = |sends: bool, other: usize| if sends && other != rank { length } else { 0 };
    let mut numbers: Vec<f32> = words.iter().map(|&word| f32::from_bits(word)).collect();
    numbers.resize(length, 0.0);
    let sends = (0..ranks).map(|other| 0..of(rank == 0, other)).collect();
    let receives = (0..ranks).map(|other| 0..of(other == 0, other)).collect();
    let mut messages = Messages { numbers, sends, receives };
    network.swap(&mut messages, limit)?;
    Ok(messages.numbers.iter().map(|number| number.to_bits()).collect())
}

/// That all ranks have the same settings.
pub(super) fn agree(
    network: &mut dyn Network,
    settings: Vec<(String, String)>,
    limit: Duration,
) -> Result<(), ExchangeError> {
    let text: Vec<String> = settings.iter().map(|(name, value)| format!("{name}\u{1f}{value}")).collect();
    let text = text.join("\u{1e}");
    // Lengths first: they may differ, too.
    let lengths = gather(network, vec![text.len() as u32], limit)?;
    let longest = lengths.iter().map(|length| length[0] as usize).max().unwrap_or(0);
    let mut bytes = text.into_bytes();
    bytes.resize(longest.next_multiple_of(4), 0);
    let words = bytes.chunks(4).map(|word| u32::from_le_bytes([word[0], word[1], word[2], word[3]])).collect();
    let all = gather(network, words, limit)?;
    let read = |(words, length): (Vec<u32>, &Vec<u32>)| -> Vec<(String, String)> {
        let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).take(length[0] as usize).collect();
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let pair =
            |setting: &str| setting.split_once('\u{1f}').map(|(name, value)| (name.to_owned(), value.to_owned()));
        text.split('\u{1e}').filter_map(pair).collect()
    };
    let all: Vec<Vec<(String, String)>> = all.into_iter().zip(&lengths).map(read).collect();
    let value = |of: &[(String, String)], name: &str| {
        of.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone())
    };
    for (name, expected) in &all[0] {
        for (rank, settings) in all.iter().enumerate() {
            let found = value(settings, name).unwrap_or_else(|| "nothing".to_owned());
            if found != *expected {
                return Err(ExchangeError::Differ { what: name.clone(), expected: expected.clone(), rank, found });
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::World;
    use super::*;

    #[test]
    fn each_rank_hears_what_differs_and_where() {
        let check = |values: &[&str], expected: Result<(), ExchangeError>| {
            let worlds = World::of_threads(values.len());
            std::thread::scope(|scope| {
                let tell = |(world, value): (&World, &&str)| {
                    let settings = [("batch", "8".to_owned()), ("model", (*value).to_owned())];
                    world.agree(&settings)
                };
                let running: Vec<_> = worlds.iter().zip(values).map(|rank| scope.spawn(move || tell(rank))).collect();
                running.into_iter().for_each(|rank| assert_eq!(rank.join().unwrap(), expected));
            });
        };
        check(&["a", "a", "a"], Ok(()));
        check(&["a"], Ok(()));
        let (what, expected, found) = ("model".to_owned(), "a".to_owned(), "longer".to_owned());
        check(&["a", "a", "longer"], Err(ExchangeError::Differ { what, expected, rank: 2, found }));
    }

    #[test]
    fn nobody_waits_longer_than_the_limit() {
        let worlds = World::of_threads(2);
        let limit = Duration::from_millis(50);
        worlds[0].set_time_limit(limit);
        assert_eq!(worlds[0].barrier(), Err(ExchangeError::Timeout { rank: 0, from: 1, limit }));
        let mut worlds = World::of_threads(2);
        worlds.pop();
        assert_eq!(worlds[0].barrier(), Err(ExchangeError::Lost { rank: 0, from: 1 }));
    }
}
