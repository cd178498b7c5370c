//! What a program makes of a second input, words `[N, T; i32]` of any length `T`, as data and as a body writes it: the rows of
//! a table, something that keeps the length, something that does not. It does not know how a network is built.

use crate::random::Random;

/// The rows of a table: words are below it.
pub const WORDS: usize = 11;
/// The most words of a sample.
pub const LONGEST: usize = 7;

/// Of `h: [N, T, features]`.
#[derive(Clone, Debug)]
pub struct Words {
    /// Of a row of the table.
    features: usize,
    /// What keeps the length; a recurrent layer has three hidden features.
    pub through: &'static str,
    /// What takes it away.
    pub then: &'static str,
}

const THROUGH: [&str; 9] = ["", "cumsum", "softmax", "attention", "flip", "places", "turned", "reversed_words", "GRU"];
const THEN: [&str; 6] = ["mean", "sum", "amax", "logsumexp", "last", "masked"];

impl Words {
    pub fn draw(random: &mut Random) -> Words {
        let features = random.pick(&[1, 3, 4, 8, 17]);
        Words { features, through: random.pick(&THROUGH), then: random.pick(&THEN) }
    }

    /// Of a row of the table.
    pub fn row(&self) -> usize {
        self.features
    }

    /// Of what comes out.
    pub fn features(&self) -> usize {
        if self.through == "GRU" { 3 } else { self.features }
    }

    /// As a body has it; `table` and `gru` are the fields.
    pub fn text(&self, table: &str, gru: &str) -> String {
        let features = self.features;
        let through = match self.through {
            "" => "h".to_owned(),
            "cumsum" => "h.cumsum(1)".to_owned(),
            "softmax" => "h.softmax(1)".to_owned(),
            "attention" => "scaled_dot_product_attention(h, h, h)".to_owned(),
            "flip" => "h + h.flip(1) * 0.5".to_owned(),
            "places" => "h + arange(T).float().unsqueeze(1) * 0.125".to_owned(),
            "turned" => format!("h.transpose(1, 2).reshape([N, T, {features}])"),
            "reversed_words" => format!("h * {table}(words.flip(1))"),
            _ => format!("{{ let (y, _) = {gru}(h); y }}"),
        };
        let then = match self.then {
            "last" => "h.select(1, -1)".to_owned(),
            "masked" => "(h * (words > 2).float().unsqueeze(2)).sum(1)".to_owned(),
            name => format!("h.{name}(1)"),
        };
        format!("{{ let h = {table}(words); let h = {through}; {then} }}")
    }
}
