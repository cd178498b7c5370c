//! Special functions in f32 against their exact values (`special.txt`, made by `special.py`), by every emitter that runs
//! here: near their zeros and poles, of small, large and negative numbers.

use kiln_graph::build::{Builder, Value};
use kiln_graph::functions::{digamma, erfc, erfcx, erfinv, i0, i0e, i1, i1e, lgamma, log_ndtr, polygamma};

use crate::digits::{assert_near, each};

const TABLE: &str = include_str!("special.txt");

/// The f32 numbers of a function, and for each of them the numbers behind it.
fn read(function: &str) -> (Vec<f32>, Vec<Vec<f64>>) {
    let rows = TABLE.lines().filter_map(|line| line.strip_prefix(function)?.strip_prefix(' '));
    let numbers = |row: &str| row.split(' ').map(|number| number.parse().expect("a number")).collect::<Vec<f64>>();
    rows.map(numbers).map(|row| (row[0] as f32, row[1..].to_vec())).unzip()
}

/// A name and a function.
type Function = (&'static str, fn(Value<'_>) -> Value<'_>);

/// What rounding costs, relative to the result, or to a least size where that is more.
const DIGITS: f64 = 1e-6;

/// One function after another of the numbers of a row.
fn check(function: &str, functions: &[Function], at_least: f64) {
    let (x, exact) = read(function);
    let build = |g: &Builder, x: Value<'_>| functions.iter().for_each(|(name, f)| g.output(name, f(x)));
    each(&[x.len()], &x, build, |what, results| {
        for (position, (name, _)) in functions.iter().enumerate() {
            let expected = exact.iter().map(|row| (row[position], DIGITS * row[position].abs().max(at_least)));
            assert_near(&format!("{name} {what}"), &results[*name], expected);
        }
    });
}

#[test]
fn gamma_functions_have_their_digits() {
    check("gamma", &[("lgamma", lgamma), ("digamma", digamma), ("trigamma", |x| polygamma(1, x))], 1.0);
}

#[test]
fn error_functions_have_their_digits() {
    check("erfc", &[("erfc", erfc)], 0.0);
    check("erfinv", &[("erfinv", erfinv)], 0.0);
    check("erfcx", &[("erfcx", erfcx)], 0.0);
    check("log_ndtr", &[("log_ndtr", log_ndtr)], 0.0);
}

#[test]
fn bessel_functions_have_their_digits() {
    check("bessel", &[("i0", i0), ("i1", i1), ("i0e", i0e), ("i1e", i1e)], 0.0);
}
