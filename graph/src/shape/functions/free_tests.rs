//! Rules over free extents: what they tell is what they give for numbers, whatever these are.

use super::*;
use crate::layers::padding::PaddingMode;
use crate::op::{Convolution, MAX_SPATIAL, Sliding, Window};
use crate::shape::Sizes;

const N: usize = Shape::N;
const S: usize = extent::free("S");
const T: usize = extent::free("T");

/// A multiple of T, and a number more.
fn of_t(factor: usize, more: isize) -> usize {
    extent::shifted(extent::times(T, factor).unwrap(), more).unwrap()
}

fn sliding(stride: usize, padding: usize, dilation: usize) -> Sliding {
    let padding = [(padding, padding); MAX_SPATIAL];
    Sliding { spatial: 1, stride: [stride; MAX_SPATIAL], padding, dilation: [dilation; MAX_SPATIAL] }
}

fn window(kernel: usize, stride: usize, padding: usize, dilation: usize) -> Window {
    Window { kernel: [kernel; MAX_SPATIAL], sliding: sliding(stride, padding, dilation), ceil: false }
}

fn transposed(
    kernel: usize,
    stride: usize,
    padding: usize,
    more: usize,
) -> impl Fn(Shape) -> Result<Shape, ShapeError> {
    let conv = Convolution { sliding: sliding(stride, padding, 1), groups: 1 };
    move |x| rules::transposed_convolution(x, 4, 2, &[kernel; MAX_SPATIAL], &conv, &[more; MAX_SPATIAL])
}

type Rule = Box<dyn Fn(Shape, &Sizes) -> Result<Shape, ShapeError>>;

/// A rule, an operand, and the result: with free extents by name; nothing where it can not be told.
fn cases() -> Vec<(&'static str, Vec<usize>, Rule, Option<&'static str>)> {
    fn plain(rule: impl Fn(Shape) -> Result<Shape, ShapeError> + 'static) -> Rule {
        Box::new(move |x, _| rule(x))
    }
    /// With extents that are what they are among the sizes.
    fn of(rule: impl Fn(Shape, &dyn Fn(usize) -> usize) -> Result<Shape, ShapeError> + 'static) -> Rule {
        Box::new(move |x, sizes| rule(x, &|extent| sizes.extent(extent)))
    }
    let inferred = Shape::INFERRED;
    vec![
        ("flatten", vec![N, T, 4], plain(|x| rules::flatten(x, 1, -1)), Some("[N, 4 * T]")),
        ("flatten", vec![N, S, T], plain(|x| rules::flatten(x, 1, -1)), Some("[N, S * T]")),
        ("flatten", vec![N, T, 4], plain(|x| rules::flatten(x, 0, 1)), Some("[N * T, 4]")),
        ("flatten", vec![N, of_t(1, 1), 4], plain(|x| rules::flatten(x, 0, 1)), None),
        ("slice", vec![extent::times(N, T).unwrap(), 4], plain(|x| part("slice", x, 0, 0, 1, 1)), None),
        (
            "slice",
            vec![extent::times(N, 2).unwrap(), 4],
            of(|x, e| part("slice", x, 0, e(N), e(extent::times(N, 2).unwrap()), 1)),
            Some("[N, 4]"),
        ),
        ("view", vec![N, T, 6], of(move |x, e| reshape("view", x, &[e(N), e(of_t(2, 0)), 3])), Some("[N, 2 * T, 3]")),
        ("view", vec![N, T, 6], of(move |x, e| reshape("view", x, &[e(N), inferred])), Some("[N, 6 * T]")),
        ("view", vec![N, S, T], of(move |x, e| reshape("view", x, &[e(N), e(T), inferred])), Some("[N, T, S]")),
        (
            "view",
            vec![N, of_t(1, 1), 2],
            of(move |x, e| reshape("view", x, &[e(N), 2, inferred])),
            Some("[N, 2, T + 1]"),
        ),
        ("view", vec![N, T, 6], of(move |x, e| reshape("view", x, &[e(N), 4, inferred])), None),
        ("view", vec![N, S, T], of(move |x, e| reshape("view", x, &[e(N), inferred])), Some("[N, S * T]")),
        ("view", vec![T, 4, N, S], of(move |x, _| reshape("view", x, &[inferred, 2])), Some("[2 * N * S * T, 2]")),
        (
            "apart",
            vec![N, S, T, 4],
            of(move |x, e| {
                let rows = reshape("view", x, &[inferred, 4])?;
                reshape("view", rows, &[e(T), inferred, e(S), 2])
            }),
            Some("[T, 2 * N, S, 2]"),
        ),
        (
            "apart",
            vec![N, T, 4],
            of(move |x, e| reshape("view", reshape("view", x, &[inferred, 4])?, &[e(S), inferred, 4])),
            None,
        ),
        ("expand", vec![N, 1, 2], of(move |x, e| expand("expand", x, &[e(N), e(T), 2])), Some("[N, T, 2]")),
        ("narrow", vec![N, T], of(|x, e| narrow("narrow", x, 1, 2, e(of_t(1, -2)))), Some("[N, T - 2]")),
        ("narrow", vec![N, T], plain(|x| narrow("narrow", x, 1, -3, 3)), Some("[N, 3]")),
        ("slice", vec![N, T], plain(|x| slice("slice", x, 1, 1, -1, 1)), Some("[N, T - 2]")),
        ("slice", vec![N, of_t(2, 1)], plain(|x| slice("slice", x, 1, 0, isize::MAX, 2)), Some("[N, T + 1]")),
        ("slice", vec![N, T], plain(|x| slice("slice", x, 1, 0, isize::MAX, 2)), None),
        ("slice", vec![N, T], plain(|x| slice("slice", x, 1, 0, 4, 1)), Some("[N, 4]")),
        ("select", vec![N, T, 2], plain(|x| select("select", x, 1, -1)), Some("[N, 2]")),
        ("cat", vec![N, T], plain(|x| cat("cat", &[x, x, x.with(1, 3)], 1)), Some("[N, 2 * T + 3]")),
        ("cat", vec![N, T], of(|x, e| cat("cat", &[x, x.with(1, e(S))], 1)), None),
        ("repeat", vec![N, T], plain(|x| repeat("repeat", x, &[1, 3])), Some("[N, 3 * T]")),
        ("repeat_interleave", vec![N, T], plain(|x| repeat_interleave("r", x, 2, 1)), Some("[N, 2 * T]")),
        ("diff", vec![N, T], plain(|x| diff("diff", x, 2, 1, None, None)), Some("[N, T - 2]")),
        ("pad", vec![N, 2, T], plain(|x| rules::padding(x, &[(3, -1)], PaddingMode::Zeros)), Some("[N, 2, T + 2]")),
        ("pad", vec![N, 2, T], plain(|x| rules::padding(x, &[(1, 1)], PaddingMode::Reflect)), Some("[N, 2, T + 2]")),
        ("conv, same", vec![N, 4, T], plain(|x| rules::window("c", x, &window(3, 1, 1, 1))), Some("[N, 4, T]")),
        ("conv", vec![N, 4, T], plain(|x| rules::window("c", x, &window(3, 1, 0, 2))), Some("[N, 4, T - 4]")),
        ("strided", vec![N, 4, of_t(2, 0)], plain(|x| rules::window("c", x, &window(4, 2, 1, 1))), Some("[N, 4, T]")),
        (
            "strided",
            vec![N, 4, of_t(6, 1)],
            plain(|x| rules::window("c", x, &window(3, 3, 0, 1))),
            Some("[N, 4, 2 * T]"),
        ),
        ("strided", vec![N, 4, T], plain(|x| rules::window("c", x, &window(3, 2, 1, 1))), None),
        ("transposed", vec![N, 4, T], plain(transposed(4, 2, 1, 0)), Some("[N, 2, 2 * T]")),
        ("transposed", vec![N, 4, T], plain(transposed(3, 2, 1, 1)), Some("[N, 2, 2 * T]")),
        ("transposed", vec![N, 4, T], plain(transposed(3, 1, 0, 0)), Some("[N, 2, T + 2]")),
        ("adaptive pool", vec![N, 4, T], plain(|x| rules::adaptive_pool("p", x, &[Some(1)])), Some("[N, 4, 1]")),
        ("upsample", vec![N, 4, T], plain(|x| rules::resize(x, &[], &[3.0])), Some("[N, 4, 3 * T]")),
        ("upsample", vec![N, 4, T], plain(|x| rules::resize(x, &[], &[1.5])), None),
        ("glu", vec![N, of_t(2, 0)], plain(|x| rules::glu(x, 1)), Some("[N, T]")),
        ("glu", vec![N, T], plain(|x| rules::glu(x, 1)), None),
        ("unflatten", vec![N, of_t(6, 0)], plain(|x| rules::unflatten("u", x, 1, &[-1, 3])), Some("[N, 2 * T, 3]")),
        ("pixel_shuffle", vec![N, 8, T, T], plain(|x| rules::pixel_shuffle("p", x, 2)), Some("[N, 2, 2 * T, 2 * T]")),
        ("matmul", vec![N, T, 3], plain(|x| matmul("m", x, transpose("t", x, 1, 2)?)), Some("[N, T, T]")),
        ("kron", vec![T, 2], plain(|x| kron("kron", x, Shape::new(&[3, 5]))), Some("[3 * T, 10]")),
        ("diagonal", vec![T, T], plain(|x| diagonal("d", x, 1, 0, 1)), Some("[T - 1]")),
        ("diagonal", vec![S, T], plain(|x| diagonal("d", x, 0, 0, 1)), None),
        ("diag_embed", vec![N, T], plain(|x| diag_embed("d", x, -1, -2, -1)), Some("[N, T + 1, T + 1]")),
        ("ravel", vec![T, 4], plain(|x| ravel("ravel", x)), Some("[4 * T]")),
        ("arange", vec![], of(|_, e| arange("a", 1, e(T) as isize, 1)), Some("[T - 1]")),
        ("arange", vec![], of(|_, e| arange("a", 0, e(T) as isize, 2)), None),
        ("zeros", vec![], of(|_, e| filled("z", &[e(of_t(2, 1)), e(S)])), Some("[2 * T + 1, S]")),
        ("one_hot", vec![N], of(|x, e| one_hot("o", x, e(T))), Some("[N, T]")),
        ("squeeze", vec![N, T, 1], plain(|x| squeeze("s", x, &[1])), None),
        ("squeeze", vec![N, T, 1], plain(|x| squeeze("s", x, &[2])), Some("[N, T]")),
        ("broadcast", vec![N, T, 1], of(|x, e| broadcast("b", x, Shape::new(&[1, e(S)]))), Some("[N, T, S]")),
        ("broadcast", vec![N, T], of(|x, e| broadcast("b", x, Shape::new(&[e(N), e(S)]))), None),
        ("gather", vec![N, T, 3], of(|x, e| gather("g", x, 1, Shape::new(&[e(N), 2, 3]))), Some("[N, 2, 3]")),
        ("embedding", vec![N, T], plain(|x| rules::embedding(x, 10, 4)), Some("[N, T, 4]")),
        ("cov", vec![N, 4], plain(|x| cov("cov", x, 1.0, None, None)), None),
        ("cov", vec![3, T], plain(|x| cov("cov", x, 1.0, None, None)), Some("[3, 3]")),
        ("cross entropy", vec![N, 5, T], plain(rules::classes), Some("[N, T]")),
    ]
}

#[test]
fn what_is_told_of_free_extents_is_what_numbers_give() {
    for (name, x, rule, expected) in cases() {
        let x = Shape::new(&x);
        let found = rule(x, &Sizes::UNKNOWN);
        assert_eq!(found.ok().map(|shape| shape.to_string()).as_deref(), expected, "{name} of {x}: {found:?}");
        let Ok(found) = found else { continue };
        for (s, t) in [(1, 5), (7, 6), (12, 23), (40, 64)] {
            let sizes = Sizes::of_batch(3).with(S, s).with(T, t);
            assert_eq!(rule(sizes.shape(x), &sizes), Ok(sizes.shape(found)), "{name} of {x} with {sizes}");
        }
    }
}

/// What gives a number of values, or as many as an axis is long, says that it is free.
#[test]
fn what_depends_on_a_free_extent_is_refused_by_its_name() {
    let x = Type::new(DType::F32, Shape::new(&[N, T, 4]));
    let cases: [(&str, Option<ShapeError>); 10] = [
        ("chunk", chunk("chunk", x, 2, 1).err()),
        ("split", split("split", x, 2, 1).err()),
        ("unbind", unbind("unbind", x, 1).err()),
        ("tril_indices", tril_indices("tril_indices", T, T, 0).err()),
        ("pdist", pdist("pdist", Shape::new(&[T, 3]), 2.0).err()),
        ("narrow", narrow("narrow", x.shape, 1, 1, T).err()),
        ("expand", expand("expand", x.shape, &[N, 3, 4]).err()),
        ("linear", rules::linear(Shape::new(&[N, T]), 3, 2).err()),
        ("cov", cov("cov", Shape::new(&[T, 4]), 1.0, None, None).err()),
        ("corrcoef", corrcoef("corrcoef", Shape::new(&[T, 4])).err()),
    ];
    for (name, found) in cases {
        let text = found.map_or_else(|| "nothing".to_owned(), |error| error.to_string());
        assert!(text.contains('T') && !text.contains("92233720"), "{name}: {text}");
    }
}
