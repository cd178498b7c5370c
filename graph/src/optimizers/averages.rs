//! Averages of parameters over steps: exponential ones, and means. Knows no optimizer.

use super::{moment, moment_name, scalar_state};
use crate::build::{Builder, Value};
use crate::setting::InvalidSetting;
use crate::shape::Shape;

/// Which averages of its parameters an optimizer keeps.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Averaging {
    /// `a = decay * a + (1 - decay) * p` after each step; the first takes the parameters as they are.
    Ema {
        /// The part of the average that is kept.
        decay: f64,
    },
    /// The mean of the parameters after the steps `start`, `start + every`, and so on, counted from 1.
    Swa {
        /// The first step that counts.
        start: u32,
        /// From how many steps one counts.
        every: u32,
    },
}

/// The state that counts what went into the averages.
const AVERAGED: &str = "optimizer.n_averaged";
/// The state that counts the steps until the next one that counts.
const WAIT: &str = "optimizer.until_averaged";

/// The name of the state that holds the average of a parameter.
pub fn averaged_name(parameter: &str) -> String {
    moment_name(parameter, "averaged")
}

impl Averaging {
    /// Whether the settings are in their range.
    pub(super) const fn check(&self, owner: &'static str) -> Result<(), InvalidSetting> {
        match *self {
            Averaging::Ema { decay } => {
                let holds = decay >= 0.0 && decay <= 1.0;
                InvalidSetting::unless(holds, owner, "ema", decay, "must be at least 0 and at most 1")
            }
            Averaging::Swa { start, every } => {
                let rule = "must be at least 1";
                ok!(InvalidSetting::unless(start > 0, owner, "swa.start", start as f64, rule));
                InvalidSetting::unless(every > 0, owner, "swa.every", every as f64, rule)
            }
        }
    }

    /// Takes the present parameters into the averages.
    pub(super) fn apply<'g>(&self, g: &'g Builder, parameters: &[(String, Value<'g>)]) {
        let (due, weight) = match *self {
            Averaging::Ema { decay } => {
                let count = scalar_state(g, AVERAGED);
                let first = g.current(count).le(0.0);
                g.update(count, g.current(count) + 1.0);
                (None, first.select(1.0, 1.0 - decay))
            }
            Averaging::Swa { every, .. } => {
                let wait = scalar_state(g, WAIT);
                let left = g.current(wait) - 1.0;
                let due = left.le(0.0);
                g.update(wait, due.select(f64::from(every), left));
                let count = scalar_state(g, AVERAGED);
                let next = g.current(count) + 1.0;
                g.update(count, due.select(next, g.current(count)));
                (Some(due), next.reciprocal())
            }
        };
        for parameter in parameters {
            let state = moment(g, parameter, "averaged");
            // With a weight of 1 the average is the parameter, to the last bit.
            let (before, p) = (g.current(state), g.current(parameter.1));
            let average = before * (1.0 - weight) + p * weight;
            g.update(state, due.map_or(average, |due| due.select(average, before)));
        }
    }

    /// The states that do not begin with 0, beside the averages, which begin with the parameters.
    pub(super) fn initial_state(&self) -> Option<(String, Shape, f32)> {
        match *self {
            Averaging::Ema { .. } => None,
            Averaging::Swa { start, .. } => Some((WAIT.to_owned(), Shape::SCALAR, start as f32)),
        }
    }
}
