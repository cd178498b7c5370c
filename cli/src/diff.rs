//! `kiln diff`: how the tensors of two files differ.

use std::collections::BTreeSet;

use kiln::CheckpointError;
use kiln::weights::{Element, Stored, WeightsFile};
use serde_json::{Value, json};

use crate::arguments::Diff;
use crate::failure::Failure;
use crate::hints::open;
use crate::output::{Output, Style, counted, several, short};
use crate::selection::select;

/// How many numbers are compared at once.
const AT_ONCE: usize = 1 << 14;

/// How the numbers of two tensors of one shape differ.
#[derive(Clone, Debug, Default)]
struct Values {
    count: usize,
    /// How many have the same bits; of two element types: how many are the same number.
    equal: usize,
    /// How many count as different.
    different: usize,
    /// How many are NaN or infinite in one file alone, or infinite with another sign.
    not_finite: usize,
    /// The largest difference of two finite numbers, and where it is.
    absolute: f64,
    place: usize,
    /// The largest difference in relation to the larger of both.
    relative: f64,
}

/// What there is to say about a name.
enum Found {
    OnlyInA(String),
    OnlyInB(String),
    OtherShape(String, String),
    /// With what both are, where that differs.
    Values(Values, Option<(String, String)>),
    /// Of a type that is not read: whether the bytes are the same.
    Opaque(bool),
}

impl Found {
    fn is_same(&self) -> bool {
        match self {
            Found::Values(values, types) => values.different == 0 && types.is_none(),
            Found::Opaque(same) => *same,
            _ => false,
        }
    }
}

/// Whether both files are the same.
pub fn run(arguments: &Diff, output: &mut Output) -> Result<bool, Failure> {
    let (a, b) = (open(&arguments.a)?, open(&arguments.b)?);
    let all: BTreeSet<&str> = a.names().chain(b.names()).collect();
    let names = select(all.into_iter(), &arguments.names)?;
    let mut counts = [0_usize; 5];
    let mut differences = Vec::new();
    for name in names {
        let found = compare(&a, &b, name, arguments.tolerance)?;
        let kind = match &found {
            found if found.is_same() => 0,
            Found::Values(..) | Found::Opaque(_) => 1,
            Found::OtherShape(..) => 2,
            Found::OnlyInA(_) => 3,
            Found::OnlyInB(_) => 4,
        };
        counts[kind] += 1;
        if kind == 0 {
            continue;
        }
        match arguments.json {
            true => differences.push(json_of(name, &found)),
            false => output.line(&format!("{}: {}", output.styled(Style::Strong, name), told(&a, name, &found)))?,
        }
    }
    let [same, differ, shapes, only_a, only_b] = counts;
    let is_same = differ + shapes + only_a + only_b == 0;
    if arguments.json {
        let object = json!({
            "a": a.path().display().to_string(),
            "b": b.path().display().to_string(),
            "same": is_same,
            "equal_tensors": same,
            "differences": differences,
        });
        output.line(&object.to_string())?;
        return Ok(is_same);
    }
    let parts = [(differ, "differ"), (shapes, "of another shape"), (only_a, "only in A"), (only_b, "only in B")];
    let parts = parts.into_iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!(", {count} {what}"));
    output.line(&format!("{} the same{}", several(same, "tensor"), parts.collect::<String>()))?;
    Ok(is_same)
}

/// The type and the shape of a tensor.
fn described(file: &WeightsFile, name: &str) -> Option<String> {
    Some(format!("{} {:?}", file.element(name)?, file.shape(name)?))
}

fn compare(a: &WeightsFile, b: &WeightsFile, name: &str, tolerance: Option<f64>) -> Result<Found, Failure> {
    let (of_a, of_b) = match (described(a, name), described(b, name)) {
        (Some(of_a), Some(of_b)) => (of_a, of_b),
        (of_a, None) => return Ok(Found::OnlyInA(of_a.unwrap_or_default())),
        (None, Some(of_b)) => return Ok(Found::OnlyInB(of_b)),
    };
    let types = (a.element(name) != b.element(name)).then(|| (of_a.clone(), of_b.clone()));
    if a.shape(name) != b.shape(name) {
        return Ok(Found::OtherShape(of_a, of_b));
    }
    let is_other = |file: &WeightsFile| matches!(file.element(name), Some(Element::Other(..)));
    let (x, y) = (a.read(name)?, b.read(name)?);
    if is_other(a) || is_other(b) {
        return Ok(Found::Opaque(types.is_none() && x.bytes() == y.bytes()));
    }
    Ok(Found::Values(values(&x, &y, tolerance)?, types))
}

fn values(x: &Stored, y: &Stored, tolerance: Option<f64>) -> Result<Values, CheckpointError> {
    let mut values = Values { count: x.len(), ..Values::default() };
    let bits = (x.element() == y.element()).then(|| x.element().width());
    for start in (0..values.count).step_by(AT_ONCE) {
        let places = start..values.count.min(start + AT_ONCE);
        let same_bits = |place: usize, a: f64, b: f64| match bits {
            Some(width) => x.bytes()[place * width..][..width] == y.bytes()[place * width..][..width],
            None => a == b || (a.is_nan() && b.is_nan()),
        };
        let numbers = x.numbers::<f64>(places.clone())?.into_iter().zip(y.numbers::<f64>(places.clone())?);
        for (place, (a, b)) in places.zip(numbers) {
            if same_bits(place, a, b) {
                values.equal += 1;
                continue;
            }
            let near = match a.is_finite() && b.is_finite() {
                true => {
                    let difference = (a - b).abs();
                    if difference > values.absolute {
                        (values.absolute, values.place) = (difference, place);
                    }
                    let larger = a.abs().max(b.abs());
                    values.relative = values.relative.max(if larger > 0.0 { difference / larger } else { 0.0 });
                    tolerance.is_some_and(|tolerance| difference <= tolerance)
                }
                // NaNs of other bits are NaN all the same, where bits are not asked for.
                false => {
                    let like = a == b || (a.is_nan() && b.is_nan());
                    values.not_finite += usize::from(!like);
                    like && tolerance.is_some()
                }
            };
            values.different += usize::from(!near);
        }
    }
    Ok(values)
}

fn told(a: &WeightsFile, name: &str, found: &Found) -> String {
    match found {
        Found::OnlyInA(of_a) => format!("only in A, {of_a}"),
        Found::OnlyInB(of_b) => format!("only in B, {of_b}"),
        Found::OtherShape(of_a, of_b) => format!("{of_a} in A, {of_b} in B"),
        Found::Opaque(_) => "bytes differ".to_owned(),
        Found::Values(values, types) => {
            let types = types.as_ref().map_or(String::new(), |(of_a, of_b)| format!("{of_a} in A, {of_b} in B; "));
            let Values { count, equal, different, not_finite, absolute, place, relative } = values;
            let equal = *equal as f64 / (*count).max(1) as f64 * 100.0;
            let mut text = format!("{types}{} of {} differ", counted(*different as u64), several(*count, "number"));
            if *absolute > 0.0 {
                let index = index(*place, a.shape(name).unwrap_or_default());
                text += &format!(", at most by {} (relative {}) at {index:?}", short(*absolute), short(*relative));
            }
            if *not_finite > 0 {
                text += &format!(", {not_finite} NaN or infinite in one alone");
            }
            text += &format!("; {equal:.1} % have equal bits");
            text
        }
    }
}

/// The index of the element at a place in row-major order.
fn index(mut place: usize, shape: &[usize]) -> Vec<usize> {
    let mut index: Vec<usize> = shape.iter().rev().map(|&extent| (place % extent, place /= extent).0).collect();
    index.reverse();
    index
}

fn json_of(name: &str, found: &Found) -> Value {
    match found {
        Found::OnlyInA(of_a) => json!({ "name": name, "kind": "only in a", "a": of_a }),
        Found::OnlyInB(of_b) => json!({ "name": name, "kind": "only in b", "b": of_b }),
        Found::OtherShape(of_a, of_b) => json!({ "name": name, "kind": "shape", "a": of_a, "b": of_b }),
        Found::Opaque(_) => json!({ "name": name, "kind": "bytes" }),
        Found::Values(values, types) => json!({
            "name": name,
            "kind": if types.is_some() { "type" } else { "values" },
            "a": types.as_ref().map(|(of_a, _)| of_a),
            "b": types.as_ref().map(|(_, of_b)| of_b),
            "count": values.count,
            "equal": values.equal,
            "different": values.different,
            "not_finite": values.not_finite,
            "max_absolute": values.absolute,
            "max_relative": values.relative,
        }),
    }
}
