//! Parts of a model that take the values of other parts of the same structure, and parameters that take computed ones:
//! copies, and steps towards them, recorded as updates. Knows no particular layer.

use crate::build::{Builder, GraphError, Operand, Value};
use crate::functions::lerp;
use crate::graph::Stage;
use crate::layers::ABSENT;
use crate::model::{Kind, Parameter, Path};

/// A part of a model: a layer, a list of layers, a model within it.
pub struct Part<'a> {
    /// Its name in the model.
    name: String,
    /// Its parameters by their names in the part.
    parameters: Vec<(String, &'a Parameter)>,
}

impl<'a> Part<'a> {
    /// The part to which the given fields lead, with the parameters that `visit` calls its argument with.
    pub fn new(way: &[&str], visit: impl FnOnce(&mut Path, &mut dyn FnMut(&str, &'a Parameter))) -> Part<'a> {
        let mut parameters = Vec::new();
        visit(&mut Path::new(), &mut |name, parameter| parameters.push((name.to_owned(), parameter)));
        Part { name: way.join("."), parameters }
    }

    /// The full name of one of its parameters; a part that is a parameter itself calls it nothing.
    fn full(&self, name: &str) -> String {
        match (self.name.as_str(), name) {
            ("", name) => name.to_owned(),
            (part, "") => part.to_owned(),
            (part, name) => format!("{part}.{name}"),
        }
    }
}

/// Records that all parameters of a part, trained or frozen, its running statistics and its counters take the present values
/// of another part, as by PyTorch's `target.load_state_dict(online.state_dict())`. What is built afterwards sees them; no
/// gradient passes.
///
/// Errors are recorded in the builder: [`GraphError::Structure`].
pub fn copy_from(g: &Builder, target: &Part<'_>, source: &Part<'_>) {
    take_all(g, target, source, |_, to| to);
}

/// As [`copy_from`], but numbers go a part of the way: `target + rate * (source - target)`, PyTorch's `lerp`. Running
/// statistics do, too; counters are copied. The rate is a number, or an f32 scalar.
///
/// Errors are recorded in the builder: [`GraphError::Structure`].
pub fn lerp_from<'g>(g: &'g Builder, target: &Part<'_>, source: &Part<'_>, rate: impl Operand<'g> + Copy) {
    take_all(g, target, source, |from, to| lerp(from, to, rate));
}

fn take_all<'g>(
    g: &'g Builder,
    target: &Part<'_>,
    source: &Part<'_>,
    between: impl Fn(Value<'g>, Value<'g>) -> Value<'g>,
) {
    if let Some(difference) = difference(target, source) {
        let (part, from) = (target.name.clone(), source.name.clone());
        return g.fail(GraphError::Structure { part, from, difference });
    }
    let _stage = g.stage(Stage::Update);
    let pairs = target.parameters.iter().zip(&source.parameters);
    // All is read before anything is written: a part may lie within the other's list.
    let values: Vec<_> = pairs
        .map(|((name, parameter), (_, other))| {
            let state = g.parameter_state(&target.full(name), parameter);
            let found = g.parameter(&source.full(name), other);
            let value = if parameter.kind == Kind::Counter { found } else { between(g.current(state), found) };
            (state, value)
        })
        .collect();
    values.into_iter().for_each(|(state, value)| g.update(state, value));
}

/// Records that the parameter of this name in a part takes a value: what is built afterwards sees it; no gradient passes.
///
/// Errors are recorded in the builder: [`GraphError::StateType`] for a value of another type.
pub fn take<'g>(g: &'g Builder, part: &Part<'_>, name: &str, value: Value<'g>) {
    set(g, part, name, |_| value);
}

/// As [`take`], but the parameter goes a part of the way: `parameter + rate * (value - parameter)`.
///
/// Errors are recorded in the builder: [`GraphError::StateType`] for a value of another type.
pub fn take_part_way<'g>(g: &'g Builder, part: &Part<'_>, name: &str, value: Value<'g>, rate: impl Operand<'g> + Copy) {
    set(g, part, name, |from| lerp(from, value, rate));
}

fn set<'g>(g: &'g Builder, part: &Part<'_>, name: &str, new: impl Fn(Value<'g>) -> Value<'g>) {
    let Some((_, parameter)) = part.parameters.iter().find(|(known, _)| known == name) else {
        return g.fail(ABSENT.into());
    };
    let _stage = g.stage(Stage::Update);
    let state = g.parameter_state(&part.full(name), parameter);
    g.update(state, new(g.current(state)));
}

/// The first parameter in which two parts differ.
fn difference(target: &Part<'_>, source: &Part<'_>) -> Option<String> {
    let (mut left, mut right) = (target.parameters.iter(), source.parameters.iter());
    loop {
        let ((name, one), (other_name, other)) = match (left.next(), right.next()) {
            (None, None) => return None,
            (Some((name, _)), None) => return Some(format!("there is no `{}`", source.full(name))),
            (None, Some((name, _))) => return Some(format!("there is no `{}`", target.full(name))),
            (Some(one), Some(other)) => (one, other),
        };
        let (full, other_full) = (target.full(name), source.full(other_name));
        if name != other_name {
            return Some(format!("where one has `{full}`, the other has `{other_full}`"));
        }
        if (one.kind == Kind::Counter) != (other.kind == Kind::Counter) {
            return Some(format!("only one of `{full}` and `{other_full}` is a counter"));
        }
        if one.shape() != other.shape() {
            let (shape, other_shape) = (one.shape(), other.shape());
            return Some(format!("`{full}` has the shape {shape}, and `{other_full}` {other_shape}"));
        }
    }
}

/// Compiles for parts of one type, which have the same layers.
pub fn of_one_structure<T: ?Sized>(_: &T, _: &T) {}

/// Compiles for lists of one length.
pub fn of_one_length<T, S, const LENGTH: usize>(_: &[T; LENGTH], _: &[S; LENGTH]) {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layers::{BatchNorm1d, BatchNormSettings, Linear, LinearSettings};
    use crate::model::{Init, Layer};

    fn check(target: &dyn Layer, source: &dyn Layer, expected: &str) {
        let part = |name: &'static str, layer| Part::new(&[name], |path, f| Layer::visit(layer, path, f));
        let g = Builder::new("copy");
        copy_from(&g, &part("a", target), &part("b", source));
        let found = g.finish().map(|graph| graph.updates.len().to_string()).unwrap_or_else(|error| error.to_string());
        assert_eq!(found, expected);
    }

    #[test]
    fn structures_are_compared() {
        let init = &mut Init::new(0);
        let plain = Linear::<2, 3>::new(LinearSettings::new(), init);
        let no_bias = Linear::<2, 3>::new(LinearSettings::new().bias(false), init);
        let wide = Linear::<2, 5>::new(LinearSettings::new(), init);
        let norm = BatchNorm1d::<3>::new(BatchNormSettings::new(), init);
        let no_norm = BatchNorm1d::<3>::new(BatchNormSettings::new().affine(false), init);
        let refused = |difference: &str| {
            format!("`a` can not take the values of `b`, which is not of the same structure: {difference}")
        };
        check(&plain, &plain, "2");
        check(&norm, &norm, "5");
        check(&plain, &no_bias, &refused("there is no `b.bias`"));
        check(&no_bias, &plain, &refused("there is no `a.bias`"));
        check(&plain, &wide, &refused("`a.weight` has the shape [3, 2], and `b.weight` [5, 2]"));
        check(&plain, &norm, &refused("`a.weight` has the shape [3, 2], and `b.weight` [3]"));
        check(&norm, &no_norm, &refused("where one has `a.weight`, the other has `b.running_mean`"));
    }
}
