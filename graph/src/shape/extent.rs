//! Extents that are not known while a model compiles: the batch size [`Shape::N`], and the free extents of a model,
//! such as `T` in `x: [N, T, 64]`, with what is computed from one: `2 * T + 1`, or from several: `N * T`. Knows
//! numbers, and no shapes but lists of extents.
//!
//! A free extent is one `usize`, so that shapes need not know of it: its highest bit says that it is no number, and
//! then follow the letters of its name, the factor and the number that is added. A product's name is those of its
//! factors with `*` between. Rules compute with extents by the functions here, and say so where these know no answer.

use super::{MAX_EXTENT, Message, Shape};

/// The largest number of letters in the name of a free extent.
pub const MAX_LETTERS: usize = 7;

/// The largest number that can be an extent by a constant's name in the type of an input: see [`constant`].
pub const MAX_CONSTANT: usize = 1 << 18;

const FREE: usize = 1 << 63;
/// A name is a number to this base: 0 is no letter.
const BASE: usize = 39;
/// What stands between the names of a product.
const TIMES: usize = 38;
/// The most names in a product, of a letter each.
const MAX_FACTORS: usize = MAX_LETTERS.div_ceil(2);
const NAME_BITS: u32 = 37;
const FACTOR_BITS: u32 = 14;
const NUMBER_BITS: u32 = 12;
const MAX_NAME: usize = BASE.pow(MAX_LETTERS as u32);
/// The factor is at least 1, and what is added lies on both sides of 0.
const MAX_FACTOR: usize = 1 << FACTOR_BITS;
const MIDDLE: isize = 1 << (NUMBER_BITS - 1);

const _: () = assert!(1 + NAME_BITS + FACTOR_BITS + NUMBER_BITS == usize::BITS && MAX_NAME < 1 << NAME_BITS);

/// `factor * name + number`; the name of a number is 0, and its factor too.
#[derive(Clone, Copy)]
struct Parts {
    name: usize,
    factor: usize,
    number: isize,
}

/// The name of the batch size, which is no free extent's.
const BATCH_NAME: usize = (b'N' - b'A' + 1) as usize;

/// The batch size as a number that a body computes with, `N` in `2 * N`, where [`Shape::N`] is that in shapes.
pub const BATCH: usize = FREE | BATCH_NAME << (FACTOR_BITS + NUMBER_BITS) | MIDDLE as usize;

const fn parts(extent: usize) -> Parts {
    if extent == Shape::N {
        return Parts { name: BATCH_NAME, factor: 1, number: 0 };
    }
    if !is_free(extent) {
        let number = if extent > MAX_EXTENT { MAX_EXTENT + 1 } else { extent };
        return Parts { name: 0, factor: 0, number: number as isize };
    }
    Parts {
        name: name_of(extent),
        factor: ((extent >> NUMBER_BITS) & (MAX_FACTOR - 1)) + 1,
        number: (extent & ((1 << NUMBER_BITS) - 1)) as isize - MIDDLE,
    }
}

/// The extent of these parts, if it can be told.
const fn of(Parts { name, factor, number }: Parts) -> Option<usize> {
    if factor == 0 {
        return if number >= 0 { Some(number as usize) } else { None };
    }
    if factor > MAX_FACTOR || number < -MIDDLE || number >= MIDDLE {
        return None;
    }
    if name == BATCH_NAME && factor == 1 && number == 0 {
        return Some(Shape::N);
    }
    Some(FREE | name << (FACTOR_BITS + NUMBER_BITS) | (factor - 1) << NUMBER_BITS | (number + MIDDLE) as usize)
}

const fn name_of(extent: usize) -> usize {
    (extent & !FREE) >> (FACTOR_BITS + NUMBER_BITS)
}

/// The names in the name of a product, the last one first, and how many there are.
const fn factors_of(name: usize) -> ([usize; MAX_FACTORS], usize) {
    let (mut factors, mut count) = ([0; MAX_FACTORS], 1);
    let (mut rest, mut place) = (name, 1);
    while rest > 0 {
        match rest % BASE {
            TIMES => (count, place) = (count + 1, 1),
            letter => (factors[count - 1], place) = (factors[count - 1] + letter * place, place * BASE),
        }
        rest /= BASE;
    }
    (factors, count)
}

/// The name of a product, if it is not too long: that of the batch size first, then the others in order, so that equal
/// products are equal.
const fn product_of(left: usize, right: usize) -> Option<usize> {
    let ((left, before), (right, behind)) = (factors_of(left), factors_of(right));
    let mut all = [0; 2 * MAX_FACTORS];
    let mut count = 0;
    while count < before + behind {
        let factor = if count < before { left[count] } else { right[count - before] };
        let mut at = count;
        while at > 0
            && factor != all[at - 1]
            && (factor == BATCH_NAME || factor < all[at - 1] && all[at - 1] != BATCH_NAME)
        {
            all[at] = all[at - 1];
            at -= 1;
        }
        all[at] = factor;
        count += 1;
    }
    let (mut name, mut letters, mut at) = (0, 0, 0);
    while at < count {
        let mut place = BASE;
        letters += 1;
        while place <= all[at] {
            (place, letters) = (place * BASE, letters + 1);
        }
        letters += (at > 0) as usize;
        if letters > MAX_LETTERS {
            return None;
        }
        name = if at == 0 { all[at] } else { (name * BASE + TIMES) * place + all[at] };
        at += 1;
    }
    Some(name)
}

/// The free extents (or the batch size) whose product an extent is, and its number: `N`, `T` and 2 of `2 * N * T`; itself
/// and 1 of what is a sum, such as `2 * T + 1`.
pub const fn factors(extent: usize) -> (Shape, usize) {
    let Parts { name, factor, number } = parts(extent);
    if number != 0 || name == 0 {
        return (Shape::new(&[extent]), 1);
    }
    let (names, count) = factors_of(name);
    let mut all = Shape::SCALAR;
    let mut at = 0;
    while at < count {
        if let Some(one) = of(Parts { name: names[at], factor: 1, number: 0 }) {
            all = all.insert(0, one);
        }
        at += 1;
    }
    (all, factor)
}

/// Whether an extent is a product of several free ones (or of the batch size and another).
pub const fn is_product(extent: usize) -> bool {
    is_free(extent) && factors_of(name_of(extent)).1 > 1
}

/// Whether an extent is a multiple of the batch size.
pub const fn is_of_batch(extent: usize) -> bool {
    if extent == Shape::N {
        return true;
    }
    let (names, count) = factors_of(name_of(extent));
    let mut at = 0;
    while at < count && names[at] != BATCH_NAME {
        at += 1;
    }
    is_free(extent) && at < count
}

/// Whether a part of an axis begins or ends within a sample, where the axis is the batch size times something.
pub const fn cuts_samples(axis: usize, start: usize, end: usize) -> bool {
    const fn is_multiple(extent: usize) -> bool {
        is_of_batch(extent) && line(extent).1 == 0
    }
    is_multiple(axis) && !((start == 0 || is_multiple(start)) && (end == 0 || is_multiple(end)))
}

/// Whether an extent is one of a model's free ones, or computed from one or from the batch size. The batch size itself
/// is none of these.
pub const fn is_free(extent: usize) -> bool {
    if extent & FREE == 0 {
        return false;
    }
    let name = name_of(extent);
    name != 0 && name < MAX_NAME
}

/// Whether an extent is a number, and so neither the batch size nor free.
pub const fn is_number(extent: usize) -> bool {
    !is_free(extent) && extent != Shape::N && extent != Shape::INFERRED
}

/// The free extent of a name: a capital letter, then capital letters, digits and `_`.
///
/// # Panics
/// If it is no such name or a longer one than [`MAX_LETTERS`]; in a constant that is a compile error.
#[track_caller]
pub const fn free(name: &str) -> usize {
    let letters = name.as_bytes();
    let mut number = 0;
    let mut at = 0;
    while at < letters.len() && at < MAX_LETTERS {
        let digit = match letters[at] {
            letter @ b'A'..=b'Z' => letter - b'A' + 1,
            digit @ b'0'..=b'9' if at > 0 => digit - b'0' + 27,
            b'_' if at > 0 => 37,
            _ => panic!("the name of a free extent is a capital letter, then capital letters, digits and `_`"),
        };
        number = number * BASE + digit as usize;
        at += 1;
    }
    if letters.len() > MAX_LETTERS {
        let message = Message::new().text("`").text(name).text("` would be a free extent, whose name has at most ");
        let message = message.number(MAX_LETTERS).text(" letters: shorten it, or declare it by `const ").text(name);
        panic!("{}", message.text(": usize = ..;`").as_str())
    }
    match of(Parts { name: number, factor: 1, number: 0 }) {
        Some(extent) => extent,
        None => panic!("a name is empty"),
    }
}

/// The next number to compare a constant with: in a pattern a name is a constant where there is one, and else a new
/// name, which is all that rustc tells of it. So a constant's value is found by comparing.
///
/// # Panics
/// Behind [`MAX_CONSTANT`]; in a constant that is a compile error.
#[track_caller]
pub const fn constant(name: &str, next: usize) -> usize {
    if next > MAX_CONSTANT {
        let message = Message::new().text("the constant `").text(name).text("` is above ").number(MAX_CONSTANT);
        let message = message.text(", and by its name alone can not be told from a free extent: write `{ ").text(name);
        panic!("{}", message.text(" }` in the shape").as_str())
    }
    next
}

/// `left + right`, if it can be told: of one free extent at most.
pub const fn plus(left: usize, right: usize) -> Option<usize> {
    let (left, right) = (parts(left), parts(right));
    if left.name != 0 && right.name != 0 && left.name != right.name {
        return None;
    }
    let name = if left.name != 0 { left.name } else { right.name };
    of(Parts { name, factor: left.factor + right.factor, number: left.number + right.number })
}

/// `extent + number`, if it can be told.
pub const fn shifted(extent: usize, number: isize) -> Option<usize> {
    let found = parts(extent);
    of(Parts { number: found.number.saturating_add(number), ..found })
}

/// The factor of a free extent and what is added: 2 and 1 for `2 * T + 1`.
pub const fn line(extent: usize) -> (usize, isize) {
    let Parts { factor, number, .. } = parts(extent);
    (factor, number)
}

/// `left - right`, if it can be told and is no negative number.
pub const fn minus(left: usize, right: usize) -> Option<usize> {
    let (left, right) = (parts(left), parts(right));
    if right.factor > left.factor || right.name != 0 && right.name != left.name {
        return None;
    }
    let factor = left.factor - right.factor;
    of(Parts { name: if factor == 0 { 0 } else { left.name }, factor, number: left.number - right.number })
}

/// `left * right`, if it can be told: one of them is a number, or both are products themselves.
pub const fn times(left: usize, right: usize) -> Option<usize> {
    let (left, right) = (parts(left), parts(right));
    if left.name != 0 && right.name != 0 {
        if left.number != 0 || right.number != 0 {
            return None;
        }
        let Some(name) = product_of(left.name, right.name) else { return None };
        return of(Parts { name, factor: left.factor.saturating_mul(right.factor), number: 0 });
    }
    let (free, number) = if left.name != 0 { (left, right.number) } else { (right, left.number) };
    if number == 0 {
        return Some(0);
    }
    of(Parts {
        name: free.name,
        factor: free.factor.saturating_mul(number as usize),
        number: free.number.saturating_mul(number),
    })
}

/// `extent / number`, rounded down, if it can be told: the number divides the factor of a free extent.
pub const fn divided(extent: usize, number: usize) -> Option<usize> {
    let found = parts(extent);
    if number == 0 || number > MAX_EXTENT || !found.factor.is_multiple_of(number) {
        return None;
    }
    of(Parts { factor: found.factor / number, number: found.number.div_euclid(number as isize), ..found })
}

/// Whether a number divides an extent, whatever a free one will be; nothing where that depends on it.
pub const fn is_multiple(extent: usize, number: usize) -> Option<bool> {
    let found = parts(extent);
    if found.factor.is_multiple_of(number) { Some(found.number.unsigned_abs().is_multiple_of(number)) } else { None }
}

/// Whether `left` is larger than `right`, whatever free extents will be (at least 1).
pub const fn exceeds(left: usize, right: usize) -> bool {
    if left == right || left == Shape::N || right == Shape::N {
        return false;
    }
    let (left, right) = (parts(left), parts(right));
    if right.name != 0 && right.name != left.name {
        return false;
    }
    left.factor >= right.factor && (left.factor - right.factor) as isize + left.number > right.number
}

/// The value of `declared`'s free extent where `found` stands in its place, and the free extent itself: 12 and `T` for
/// `2 * T` and 24. No value where there is none, as for 25.
pub const fn solved(declared: usize, found: usize) -> (usize, Option<usize>) {
    let Parts { name, factor, number } = parts(declared);
    let free = match of(Parts { name, factor: 1, number: 0 }) {
        Some(free) => free,
        None => declared,
    };
    let value = match shifted(found, -number) {
        Some(multiple) if matches!(is_multiple(multiple, factor), Some(true)) => divided(multiple, factor),
        _ => None,
    };
    (
        free,
        match value {
            Some(0) => None,
            value => value,
        },
    )
}

/// The extent where a free one has this value, another extent; if that can be told.
pub const fn with(extent: usize, value: usize) -> Option<usize> {
    let found = parts(extent);
    match times(value, found.factor) {
        Some(multiple) => shifted(multiple, found.number),
        None => None,
    }
}

/// The free extent that an extent is computed from: `T` for `2 * T + 1`.
pub const fn source(extent: usize) -> usize {
    solved(extent, 0).0
}

impl Message {
    /// This text and then a free extent: `T`, `2 * T + 1`.
    pub(super) const fn free(self, extent: usize) -> Message {
        let Parts { name, factor, number } = parts(extent);
        let mut message = self;
        if factor != 1 {
            message = message.decimal(factor).text(" * ");
        }
        let mut place = MAX_LETTERS;
        while place > 0 {
            place -= 1;
            let digit = (name / BASE.pow(place as u32)) % BASE;
            if digit != 0 {
                message = message.text(letter(digit));
            }
        }
        match number {
            0 => message,
            number if number < 0 => message.text(" - ").decimal(number.unsigned_abs()),
            number => message.text(" + ").decimal(number as usize),
        }
    }
}

const fn letter(digit: usize) -> &'static str {
    if digit == TIMES {
        return " * ";
    }
    const LETTERS: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_";
    LETTERS.split_at(digit - 1).1.split_at(1).0
}

/// What a body computes with extents, over numbers as over free ones. The operators of Rust are not for these: they would
/// compute with the bits of a free one.
///
/// While a graph is built, where all extents are numbers, results may be negative, as PyTorch's are: a place then counts
/// from the end, and an extent is refused.
pub mod arithmetic {
    use super::{BATCH, Message, Shape, is_free};

    /// The batch size, a number of a body.
    pub const fn batch(batch: usize) -> usize {
        if batch == Shape::N { BATCH } else { batch }
    }

    /// `left + right`
    ///
    /// # Panics
    /// If it can not be told while a model compiles.
    #[track_caller]
    pub const fn add(left: usize, right: usize) -> usize {
        told("+", left, right, super::plus(left, right), left.wrapping_add(right))
    }

    /// `left - right`
    ///
    /// # Panics
    /// If it can not be told while a model compiles.
    #[track_caller]
    pub const fn sub(left: usize, right: usize) -> usize {
        told("-", left, right, super::minus(left, right), left.wrapping_sub(right))
    }

    /// `left * right`
    ///
    /// # Panics
    /// If it can not be told while a model compiles.
    #[track_caller]
    pub const fn mul(left: usize, right: usize) -> usize {
        told("*", left, right, super::times(left, right), left.wrapping_mul(right))
    }

    /// `left / right`, rounded down; 0 where `right` is.
    ///
    /// # Panics
    /// If it can not be told while a model compiles.
    #[track_caller]
    pub const fn div(left: usize, right: usize) -> usize {
        let quotient = if is_free(right) { None } else { super::divided(left, right) };
        let number = if right == 0 { 0 } else { (left as isize).wrapping_div_euclid(right as isize) };
        told("/", left, right, quotient, number as usize)
    }

    /// A number as an extent of a shape: 0, which is refused, for a negative one.
    pub const fn extent(number: usize) -> usize {
        if number == BATCH {
            return Shape::N;
        }
        if !is_free(number) && (number as isize) < 0 { 0 } else { number }
    }

    /// A number among those of tensors.
    pub const fn float(number: usize) -> f64 {
        number as isize as f64
    }

    /// An extent that decides on what is computed, and so is a number.
    ///
    /// # Panics
    /// If it is free, while a model compiles.
    #[track_caller]
    pub const fn known(extent: usize) -> usize {
        if is_free(extent) {
            let message =
                Message::new().number(extent).text(" is not known while the model compiles: neither a condition ");
            panic!("{}", message.text("nor the bounds of a loop can depend on it").as_str())
        }
        extent
    }

    #[track_caller]
    const fn told(operator: &str, left: usize, right: usize, free: Option<usize>, number: usize) -> usize {
        if !is_free(left) && !is_free(right) {
            return number;
        }
        match free {
            Some(extent) => batch(extent),
            None => {
                let message = Message::new().text("`").number(left).text(" ").text(operator).text(" ").number(right);
                let message =
                    message.text("` can not be told while the model compiles: an extent is a multiple of a free ");
                let message =
                    message.text("one or of a product (up to 16384), and a number (up to 2047) more or less; let an ");
                panic!("{}", message.text("input have one with which it is, as in `[N, 2 * T]`").as_str())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const T: usize = free("T");
    const SEQ_LEN: usize = free("SEQ_LEN");

    fn text(extent: usize) -> String {
        Message::new().number(extent).as_str().to_owned()
    }

    #[test]
    fn free_extents_are_computed_with_and_print() {
        let double = times(T, 2).unwrap();
        let cases = [
            (Some(T), "T"),
            (Some(SEQ_LEN), "SEQ_LEN"),
            (Some(free("X_19Z0A")), "X_19Z0A"),
            (plus(T, T), "2 * T"),
            (plus(T, 3), "T + 3"),
            (plus(3, double), "2 * T + 3"),
            (shifted(T, -1), "T - 1"),
            (minus(double, T), "T"),
            (minus(T, 4), "T - 4"),
            (minus(plus(T, 7).unwrap(), T), "7"),
            (times(64, T), "64 * T"),
            (times(0, T), "0"),
            (times(T, T), "T * T"),
            (times(T, Shape::N), "N * T"),
            (times(free("S"), times(double, Shape::N).unwrap()), "2 * N * S * T"),
            (times(times(free("B"), free("X1")).unwrap(), free("A")), "A * B * X1"),
            (plus(times(T, Shape::N).unwrap(), times(Shape::N, T).unwrap()), "2 * N * T"),
            (divided(times(double, Shape::N).unwrap(), 2), "N * T"),
            (divided(times(T, 6).unwrap(), 3), "2 * T"),
            (divided(plus(double, 5).unwrap(), 2), "T + 2"),
            (divided(shifted(double, -1).unwrap(), 2), "T - 1"),
            (with(plus(double, 1).unwrap(), 12), "25"),
            (with(plus(double, 1).unwrap(), SEQ_LEN), "2 * SEQ_LEN + 1"),
        ];
        for (found, expected) in cases {
            assert_eq!(found.map(text).as_deref(), Some(expected));
        }
        let untold = [
            plus(T, SEQ_LEN),
            times(T, SEQ_LEN),
            times(plus(T, 1).unwrap(), Shape::N),
            divided(T, 2),
            minus(T, double),
            minus(T, SEQ_LEN),
            times(T, MAX_FACTOR + 1),
            plus(T, 5000),
            plus(T, Shape::N),
            plus(T, MAX_EXTENT),
        ];
        for (position, found) in untold.into_iter().enumerate() {
            assert_eq!(found, None, "{position}");
        }
        for number in [0, 1, MAX_EXTENT, Shape::N, Shape::INFERRED, usize::MAX - 5, isize::MIN as usize] {
            assert!(!is_free(number), "{number}");
        }
    }

    #[test]
    fn numbers_may_be_negative_on_the_way() {
        use arithmetic::{add, div, extent, float, mul, sub};
        let cases = [(add(sub(3, 5), 10), 8.0), (mul(sub(1, 2), 3), -3.0), (div(sub(2, 5), 2), -2.0), (div(7, 2), 3.0)];
        for (number, expected) in cases {
            assert_eq!(float(number), expected);
            assert_eq!(extent(number), if expected < 0.0 { 0 } else { expected as usize });
        }
        assert_eq!((div(7, 0), extent(T)), (0, T));
    }

    #[test]
    fn extents_are_compared_and_solved() {
        let more = plus(T, 1).unwrap();
        let cases = [
            (5, 4, true),
            (4, 5, false),
            (more, T, true),
            (T, more, false),
            (T, 4, false),
            (4, T, false),
            (plus(T, 4).unwrap(), 4, true),
            (times(T, 2).unwrap(), T, true),
            (T, SEQ_LEN, false),
            (Shape::N, T, false),
        ];
        for (left, right, expected) in cases {
            assert_eq!(exceeds(left, right), expected, "{} {}", text(left), text(right));
        }
        let odd = plus(times(T, 2).unwrap(), 1).unwrap();
        assert_eq!(solved(odd, 25), (T, Some(12)));
        assert_eq!(solved(odd, 24), (T, None));
        assert_eq!(solved(odd, 1), (T, None), "at least 1");
        assert_eq!(solved(odd, 0), (T, None));
        assert_eq!(solved(T, more), (T, Some(more)));
    }
}
