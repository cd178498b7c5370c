//! Numbers of a graph that follow from its free extents, found from their values at several sizes.

use kiln_onnx::write::{Free, Part, Sizes};

#[test]
fn numbers_follow_from_extents() {
    let free: Vec<Free> = ["N", "T"]
        .map(|name| Free { name: name.into(), input: 0, axis: 0, factor: 1, number: 0 })
        .into_iter()
        .collect();
    let sizes = Sizes(vec![vec![3, 13], vec![5, 13], vec![3, 17], vec![7, 19]]);
    type Case = (fn(i64, i64) -> i64, Option<&'static str>);
    let cases: [Case; 10] = [
        (|_, _| 7, Some("7")),
        (|n, _| n, Some("N")),
        (|_, t| 2 * t, Some("2*T")),
        (|_, t| 2 * t + 1, Some("2*T + 1")),
        (|n, t| n * t, Some("N*T")),
        (|n, t| 8 * n * t, Some("8*N*T")),
        (|n, t| n * (t - 1), Some("N*(T - 1)")),
        (|n, t| n + t, Some("N + T")),
        (|_, t| 20 - t, Some("-T + 20")),
        (|n, _| n * n, None),
    ];
    for (number, expected) in cases {
        let values: Vec<i64> = sizes.0.iter().map(|sizes| number(sizes[0], sizes[1])).collect();
        let found = sizes.fit(&values);
        assert_eq!(found.as_ref().map(|number| number.text(&free)).as_deref(), expected, "{values:?}");
        if let Some(found) = found {
            let at =
                |sizes: &[i64]| found.parts.iter().fold(found.factor, |product, part| product * value(part, sizes));
            assert!(sizes.0.iter().zip(&values).all(|(sizes, &value)| at(sizes) == value));
        }
    }
}

/// What a part is where the extents have these values.
fn value(part: &Part, sizes: &[i64]) -> i64 {
    part.terms.iter().fold(part.number, |sum, &(extent, coefficient)| sum + coefficient * sizes[extent])
}
