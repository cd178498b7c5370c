//! Groups of an optimizer's parameters that have settings of their own. Knows names and shapes, and no rule.

use std::fmt;
use std::sync::Arc;

use super::{Optimizer, Options};
use crate::setting::InvalidSetting;
use crate::shape::Shape;

/// Whether the parameter of a name and a shape is selected.
type Holds = dyn Fn(&str, Shape) -> bool + Send + Sync;

/// Which parameters belong to a group.
#[derive(Clone)]
pub struct Select {
    text: String,
    holds: Arc<Holds>,
}

impl Select {
    /// Those that a function says so of, by name and shape.
    pub fn by(holds: impl Fn(&str, Shape) -> bool + Send + Sync + 'static) -> Select {
        Select { text: "those that a function selects".to_owned(), holds: Arc::new(holds) }
    }

    /// The parameter of this name, and all that lie below it: `head` selects `head.weight` and `head.0.bias`.
    pub fn name(name: impl Into<String>) -> Select {
        let name = name.into();
        let text = format!("`{name}`");
        let below = move |found: &str, _| {
            found.strip_prefix(name.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        };
        Select { text, ..Select::by(below) }
    }

    /// Biases: `bias`, and those of several such as `in_proj_bias` and `bias_ih_l0`.
    pub fn biases() -> Select {
        Select { text: "biases".to_owned(), ..Select::by(|name, _| is_bias(name)) }
    }

    /// What is usually left without weight decay: biases, and parameters of fewer than two axes. These are the weights of
    /// all normalizations, but for a layer norm over several axes.
    pub fn biases_and_norms() -> Select {
        Select { text: "biases and norms".to_owned(), ..Select::by(|name, shape| shape.rank() < 2 || is_bias(name)) }
    }

    /// Matrices: parameters of two axes, which are those that [`Muon`](super::Muon) steps.
    pub fn matrices() -> Select {
        Select { text: "matrices".to_owned(), ..Select::by(|_, shape| shape.rank() == 2) }
    }

    /// All but [matrices](Select::matrices).
    pub fn not_matrices() -> Select {
        Select { text: "all but matrices".to_owned(), ..Select::by(|_, shape| shape.rank() != 2) }
    }

    /// Whether it selects the parameter of this name and shape.
    pub fn selects(&self, name: &str, shape: Shape) -> bool {
        (self.holds)(name, shape)
    }
}

fn is_bias(name: &str) -> bool {
    let last = name.rsplit('.').next().unwrap_or(name);
    last.split('_').any(|word| word == "bias")
}

impl fmt::Display for Select {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for Select {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Select({})", self.text)
    }
}

impl PartialEq for Select {
    /// The same selection, or a copy of it.
    fn eq(&self, other: &Select) -> bool {
        Arc::ptr_eq(&self.holds, &other.holds)
    }
}

/// Parameters with settings of their own, or with another rule.
#[derive(Clone, Debug, PartialEq)]
pub struct Group<R> {
    select: Select,
    rule: Rule<R>,
}

/// The rule of a group.
#[derive(Clone)]
enum Rule<R> {
    /// That of the whole optimizer, with other settings.
    Own(R),
    /// Another optimizer's.
    Other(Arc<dyn Optimizer + Send + Sync>),
}

impl<R: Optimizer> Rule<R> {
    fn get(&self) -> &dyn Optimizer {
        match self {
            Rule::Own(rule) => rule,
            Rule::Other(rule) => &**rule,
        }
    }
}

impl<R: fmt::Debug> fmt::Debug for Rule<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Rule::Own(rule) => rule.fmt(f),
            Rule::Other(_) => f.write_str("another optimizer"),
        }
    }
}

impl<R: PartialEq> PartialEq for Rule<R> {
    /// The same settings, or the same other optimizer.
    fn eq(&self, other: &Rule<R>) -> bool {
        match (self, other) {
            (Rule::Own(one), Rule::Own(other)) => one == other,
            (Rule::Other(one), Rule::Other(other)) => Arc::ptr_eq(one, other),
            _ => false,
        }
    }
}

impl<R> Group<R> {
    /// What a selection selects, under the rule with settings of its own.
    pub(super) fn new(select: Select, rule: R) -> Group<R> {
        Group { select, rule: Rule::Own(rule) }
    }

    /// What a selection selects, under the rule of another optimizer.
    pub(super) fn under(select: Select, rule: impl Optimizer + Send + Sync + 'static) -> Group<R> {
        Group { select, rule: Rule::Other(Arc::new(rule)) }
    }
}

/// The groups as [`Optimizer::groups`] gives them.
pub(super) fn rules<R: Optimizer>(groups: &[Group<R>]) -> Vec<(&Select, &dyn Optimizer)> {
    groups.iter().map(|group| (&group.select, group.rule.get())).collect()
}

/// That the rules of groups are in their range, and have neither options nor groups.
pub(super) fn check<R: Optimizer>(owner: &'static str, groups: &[Group<R>]) -> Result<(), InvalidSetting> {
    for (position, group) in groups.iter().enumerate() {
        let rule = group.rule.get();
        rule.check()?;
        let plain = *rule.options() == Options::NONE && rule.groups().is_empty();
        let rule = "must leave clipping, accumulation, averages, schedules and groups to the whole optimizer";
        InvalidSetting::unless(plain, owner, "group", (position + 1) as f64, rule)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn selections_go_by_names_and_shapes() {
        let selections = [Select::name("head"), Select::biases(), Select::biases_and_norms(), Select::name("")];
        let cases: [(&str, &[usize], [bool; 4]); 9] = [
            ("head.weight", &[4, 3], [true, false, false, false]),
            ("head.0.bias", &[4], [true, true, true, false]),
            ("header.weight", &[4, 3], [false, false, false, false]),
            ("norm.weight", &[4], [false, false, true, false]),
            ("norm.bias", &[4, 3], [false, true, true, false]),
            ("attention.in_proj_bias", &[9], [false, true, true, false]),
            ("attention.in_proj_weight", &[9, 3], [false, false, false, false]),
            ("lstm.bias_ih_l0", &[8], [false, true, true, false]),
            ("biased.weight", &[2, 2], [false, false, false, false]),
        ];
        for (name, dims, expected) in cases {
            let found = selections.each_ref().map(|select| select.selects(name, Shape::new(dims)));
            assert_eq!(found, expected, "{name}");
        }
    }
}
