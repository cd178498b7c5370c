//! What to do with an array of another shape than wanted, as far as the two shapes tell. It knows shapes and no data.

use kiln_graph::Shape;
use kiln_graph::shape::extent;

/// The way out, to follow a sentence that names both shapes; empty where they tell none. The first axis wanted is the
/// samples', [`Shape::N`] for any number of them.
pub fn to_fit(expected: &Shape, found: &[usize]) -> String {
    let dims = expected.dims();
    let Some((&samples, sample)) = dims.split_first() else { return String::new() };
    let any = samples == Shape::N;
    if fits(sample, found) && (any || samples == 1) {
        return ": a single sample needs an axis for the samples, too, as `x.insert_axis(Axis(0))` gives it".to_owned();
    }
    let Some((&rows, rest)) = found.split_first() else { return String::new() };
    if !any && rows != samples {
        return String::new();
    }
    match (rest, sample) {
        ([1], []) => ": take the last axis away, as with `y.remove_axis(Axis(1))`".to_owned(),
        ([], [1]) => ": give it a last axis, as with `y.insert_axis(Axis(1))`".to_owned(),
        ([spatial @ .., last], [channels, others @ ..])
            if fits(others, spatial) && fits(&[*channels], &[*last]) && !spatial.is_empty() =>
        {
            let order: Vec<usize> = [0, found.len() - 1].into_iter().chain(1..found.len() - 1).collect();
            format!(": its channels come last; give `x.permuted_axes({order:?})`")
        }
        _ => String::new(),
    }
}

/// The same of one of several inputs, which may be one without rows: data has rows of it as of all else.
pub fn to_fit_input(expected: &Shape, found: &[usize]) -> String {
    let has_rows = found.split_first().is_some_and(|(_, row)| fits(expected.dims(), row));
    match super::inputs::has_rows(*expected) {
        false if has_rows => {
            ": it is the same for all rows, so give it once, as in `predict((&x, t))`; a data set has rows \
                              of every input, so train by a loop of your own, `trainer.step((&x, t), &y)`"
                .to_owned()
        }
        _ => to_fit(expected, found),
    }
}

/// Whether extents are those wanted, of which some may be free.
fn fits(wanted: &[usize], found: &[usize]) -> bool {
    let fits = |(wanted, found): (&usize, &usize)| wanted == found || extent::is_free(*wanted);
    wanted.len() == found.len() && wanted.iter().zip(found).all(fits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes_tell_the_way_out() {
        const N: usize = Shape::N;
        const T: usize = extent::free("T");
        let cases: [(&[usize], &[usize], &str); 12] = [
            (&[N, T, 3], &[7, 3], "a single sample needs"),
            (&[N, 3, T], &[5, 7, 3], "`x.permuted_axes([0, 2, 1])`"),
            (&[N, 4], &[4], "a single sample needs"),
            (&[N, 1, 8, 8], &[1, 8, 8], "a single sample needs"),
            (&[N, 3, 8, 6], &[5, 8, 6, 3], "`x.permuted_axes([0, 3, 1, 2])`"),
            (&[N, 3, 8], &[5, 8, 3], "`x.permuted_axes([0, 2, 1])`"),
            (&[N, 4], &[5, 3], ""),
            (&[8], &[7], ""),
            (&[8], &[8, 1], "`y.remove_axis(Axis(1))`"),
            (&[8, 1], &[8], "`y.insert_axis(Axis(1))`"),
            (&[8, 2], &[8], ""),
            (&[8], &[], ""),
        ];
        for (expected, found, hint) in cases {
            let told = to_fit(&Shape::new(expected), found);
            assert!(told.contains(hint) && told.is_empty() == hint.is_empty(), "{expected:?} {found:?}: {told}");
        }
        let of_inputs: [(&[usize], &[usize], &str); 4] = [
            (&[], &[64], "give it once"),
            (&[3, T], &[64, 3, 5], "give it once"),
            (&[3, 3], &[3, 4], ""),
            (&[N, 4], &[4], "a single sample needs"),
        ];
        for (expected, found, hint) in of_inputs {
            let told = to_fit_input(&Shape::new(expected), found);
            assert!(told.contains(hint) && told.is_empty() == hint.is_empty(), "{expected:?} {found:?}: {told}");
        }
    }
}
