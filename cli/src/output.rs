//! Where a command writes to: how wide it is, whether it shows colours, and how numbers look there.

use std::env;
use std::io::{self, BufWriter, IsTerminal, Stdout, Write};

/// Columns where nothing says how many there are.
const COLUMNS: usize = 80;

/// The standard output. Colours are for terminals, unless `NO_COLOR` is set.
pub struct Output {
    to: BufWriter<Stdout>,
    width: usize,
    colours: bool,
}

/// What a text is shown as, where there are colours.
#[derive(Clone, Copy)]
pub enum Style {
    /// A name, a title.
    Strong,
    /// What is there for those who look for it.
    Faint,
    /// Something is wrong.
    Alarm,
}

impl Output {
    pub fn stdout() -> Output {
        let stdout = io::stdout();
        let unwanted = |name| env::var_os(name).is_some_and(|value| !value.is_empty());
        let colours = stdout.is_terminal() && !unwanted("NO_COLOR") && env::var("TERM").as_deref() != Ok("dumb");
        Output { to: BufWriter::new(stdout), width: Output::width_of_terminal(), colours }
    }

    /// Columns of the terminal; else those of the variable `COLUMNS`, else 80.
    pub fn width_of_terminal() -> usize {
        let said = env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok()).filter(|&columns| columns > 0);
        let of_terminal = console::Term::stdout().size_checked().map(|(_, columns)| usize::from(columns));
        of_terminal.filter(|&columns| columns > 0).or(said).unwrap_or(COLUMNS)
    }

    /// Columns of a line.
    pub fn width(&self) -> usize {
        self.width
    }

    pub fn line(&mut self, text: &str) -> io::Result<()> {
        writeln!(self.to, "{text}")
    }

    pub fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }

    /// A text in a style.
    pub fn styled(&self, style: Style, text: &str) -> String {
        let code = match style {
            Style::Strong => 1,
            Style::Faint => 2,
            Style::Alarm => 31,
        };
        if self.colours { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }
}

/// A number with four digits that count.
pub fn short(number: f64) -> String {
    let size = number.abs();
    match size {
        0.0 => "0".to_owned(),
        _ if !number.is_finite() => number.to_string(),
        _ if !(1e-4..1e6).contains(&size) => format!("{number:.3e}"),
        _ => format!("{number:.*}", (3 - size.log10().floor() as i32).clamp(0, 7) as usize),
    }
}

/// A whole number with commas between thousands.
pub fn counted(number: u64) -> String {
    let digits = number.to_string();
    let groups = digits.as_bytes().rchunks(3).rev().map(|group| String::from_utf8_lossy(group));
    groups.collect::<Vec<_>>().join(",")
}

/// A number of things: `1 tensor`, `2 tensors`.
pub fn several(number: usize, thing: &str) -> String {
    format!("{} {thing}{}", counted(number as u64), if number == 1 { "" } else { "s" })
}

/// A number of bytes in the largest unit of which there is at least one.
pub fn bytes(number: u64) -> String {
    let units = ["KiB", "MiB", "GiB", "TiB"];
    let mut size = number as f64 / 1024.0;
    if size < 1.0 {
        return format!("{number} bytes");
    }
    for unit in &units[..3] {
        if size < 1024.0 {
            return format!("{size:.1} {unit}");
        }
        size /= 1024.0;
    }
    format!("{size:.1} {}", units[3])
}

/// A text from a file on one line, of at most so many columns.
pub fn cut(text: &str, columns: usize) -> String {
    let plain: String = text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect();
    if plain.chars().count() <= columns {
        return plain;
    }
    plain.chars().take(columns.saturating_sub(2)).chain("..".chars()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short() {
        let cases = [(-0.0, "0"), (-12.345, "-12.35"), (0.001234, "0.001234"), (1.5e-7, "1.500e-7"), (f64::NAN, "NaN")];
        for (number, expected) in cases {
            assert_eq!(short(number), expected);
        }
        for (number, expected) in [(0, "0"), (999, "999"), (1000, "1,000"), (1234567, "1,234,567")] {
            assert_eq!(counted(number), expected);
        }
        for (number, expected) in
            [(1023, "1023 bytes"), (1536, "1.5 KiB"), (1 << 30, "1.0 GiB"), (1 << 52, "4096.0 TiB")]
        {
            assert_eq!(bytes(number), expected);
        }
        assert_eq!(cut("a\nb and so on", 8), "a\u{fffd}b an..");
    }
}
