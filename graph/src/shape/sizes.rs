//! What the free extents of a model are in one place: numbers, for a program that is compiled; or extents of another
//! model, which applies it. Knows shapes, and no arrays.

use std::fmt;

use super::{Message, Shape, Type, extent};

/// The largest number of free extents that a model has beside the batch size.
pub const MAX_FREE: usize = 6;

/// The batch size, and what each of a model's free extents is.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Sizes {
    batch: usize,
    count: usize,
    names: [usize; MAX_FREE],
    values: [usize; MAX_FREE],
}

/// Why a shape is not one that was declared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Misfit {
    /// It differs where the extent is a number, has another number of axes, or has more than [`MAX_FREE`] free extents.
    Shape,
    /// A free extent would have no value of at least 1: one that is declared as `2 * T`, and is 7.
    NoValue {
        /// The declared extent.
        declared: usize,
        /// What stands in its place.
        found: usize,
    },
    /// A free extent (or the batch size) has another value already.
    Differs {
        /// The free extent.
        free: usize,
        /// Its value before.
        before: usize,
        /// Its value here.
        here: usize,
    },
}

impl Sizes {
    /// Nothing is known yet.
    pub const UNKNOWN: Sizes = Sizes { batch: 0, count: 0, names: [0; MAX_FREE], values: [0; MAX_FREE] };

    /// A batch size, and no free extents.
    pub const fn of_batch(batch: usize) -> Sizes {
        Sizes { batch, ..Sizes::UNKNOWN }
    }

    /// The batch size; 0 if it is not known.
    pub const fn batch(&self) -> usize {
        self.batch
    }

    /// The batch size, where values say it; else this one.
    pub const fn rows_or(&self, batch: usize) -> usize {
        if self.batch == 0 { batch } else { self.batch }
    }

    /// These sizes with another batch size.
    pub const fn with_batch(self, batch: usize) -> Sizes {
        Sizes { batch, ..self }
    }

    /// Whether there is an extent beside the batch size.
    pub const fn has_free(&self) -> bool {
        self.count > 0
    }

    /// The value of a free extent, if it is known.
    pub const fn get(&self, free: usize) -> Option<usize> {
        let mut place = 0;
        while place < self.count {
            if self.names[place] == free {
                return Some(self.values[place]);
            }
            place += 1;
        }
        None
    }

    /// These sizes with a value of a free extent, in the place of the one that it may have; as they are if there are
    /// too many.
    pub const fn with(mut self, free: usize, value: usize) -> Sizes {
        let mut place = 0;
        // In the order of their names, so that equal sizes are equal.
        while place < self.count && self.names[place] < free {
            place += 1;
        }
        if place == self.count || self.names[place] != free {
            if self.count == MAX_FREE {
                return self;
            }
            let mut last = self.count;
            while last > place {
                (self.names[last], self.values[last]) = (self.names[last - 1], self.values[last - 1]);
                last -= 1;
            }
            self.count += 1;
        }
        (self.names[place], self.values[place]) = (free, value);
        self
    }

    /// The free extents and their values.
    pub fn free(&self) -> impl Iterator<Item = (usize, usize)> {
        self.names.into_iter().zip(self.values).take(self.count)
    }

    /// The free extents behind some words, ` with S = 3, T = 12`; nothing without any.
    pub fn of_extents(&self, words: &str) -> String {
        let each: Vec<String> = self.free().map(|(free, value)| format!("{} = {value}", name(free))).collect();
        if each.is_empty() { String::new() } else { format!("{words}{}", each.join(", ")) }
    }

    /// These sizes, and those that follow from a shape where another one is declared.
    pub const fn and(mut self, declared: Shape, found: &[usize]) -> Result<Sizes, Misfit> {
        if declared.rank() != found.len() {
            return Err(Misfit::Shape);
        }
        // Where a shape differs is said before what its free extents are.
        let mut axis = 0;
        while axis < found.len() {
            if extent::is_number(declared.dim(axis)) && declared.dim(axis) != found[axis] {
                return Err(Misfit::Shape);
            }
            axis += 1;
        }
        let mut axis = 0;
        while axis < found.len() {
            let (declared, found) = (declared.dim(axis), found[axis]);
            axis += 1;
            if declared == Shape::N {
                if self.batch != 0 && self.batch != found {
                    return Err(Misfit::Differs { free: declared, before: self.batch, here: found });
                }
                self.batch = found;
            } else if extent::is_free(declared) {
                let (free, value) = extent::solved(declared, found);
                let Some(here) = value else { return Err(Misfit::NoValue { declared, found }) };
                if free == Shape::N {
                    if self.batch != 0 && self.batch != here {
                        return Err(Misfit::Differs { free, before: self.batch, here });
                    }
                    self.batch = here;
                    continue;
                }
                match self.get(free) {
                    Some(before) if before != here => return Err(Misfit::Differs { free, before, here }),
                    Some(_) => {}
                    None if self.count == MAX_FREE => return Err(Misfit::Shape),
                    None => self = self.with(free, here),
                }
            }
        }
        Ok(self)
    }

    /// An extent with what is known; 0 where a number would be negative, and as it is where its free one is not known.
    pub const fn extent(&self, of: usize) -> usize {
        if of == Shape::N && self.batch != 0 {
            return self.batch;
        }
        if !extent::is_free(of) {
            return of;
        }
        let (_, number) = extent::line(of);
        if extent::is_product(of) && number != 0 {
            // `N * T + 1`: the product, and then the number.
            let product = match extent::shifted(of, -number) {
                Some(product) => self.extent(product),
                None => return of,
            };
            return match extent::shifted(product, number) {
                Some(extent) => extent,
                None if extent::is_free(product) => of,
                None => 0,
            };
        }
        if extent::is_product(of) {
            let (factors, mut product) = extent::factors(of);
            let mut at = 0;
            while at < factors.rank() {
                product = match extent::times(product, self.extent(factors.dim(at))) {
                    Some(product) => product,
                    None => return of,
                };
                at += 1;
            }
            return product;
        }
        let source = extent::source(of);
        let known = if source == Shape::N && self.batch != 0 { Some(self.batch) } else { self.get(source) };
        match known {
            None => of,
            Some(value) => match extent::with(of, value) {
                Some(extent) => extent,
                None => 0,
            },
        }
    }

    /// A type with what is known; see [`Sizes::shape`].
    pub const fn ty(&self, ty: Type) -> Type {
        Type::new(ty.dtype, self.shape(ty.shape))
    }

    /// A shape with what is known: of extents that are numbers, as in a graph, if all free ones are.
    pub const fn shape(&self, mut shape: Shape) -> Shape {
        let mut axis = 0;
        while axis < shape.rank() {
            shape = shape.with(axis, self.extent(shape.dim(axis)));
            axis += 1;
        }
        shape
    }
}

impl From<usize> for Sizes {
    /// A batch size alone.
    fn from(batch: usize) -> Sizes {
        Sizes::of_batch(batch)
    }
}

/// `N = 8, T = 12`
impl fmt::Display for Sizes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "N = {}{}", self.batch, self.of_extents(", "))
    }
}

impl fmt::Debug for Sizes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// How an extent reads: `12`, `N`, `T`, `2 * T + 1`.
pub(crate) fn name(extent: usize) -> String {
    if extent == Shape::N { "N".to_owned() } else { Message::new().number(extent).as_str().to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    const N: usize = Shape::N;
    const S: usize = extent::free("S");
    const T: usize = extent::free("T");

    #[test]
    fn shapes_tell_sizes() {
        type Case<'a> = (&'a [(&'a [usize], &'a [usize])], Result<&'a str, Misfit>);
        let double = extent::times(T, 2).unwrap();
        let cases: [Case; 9] = [
            (&[(&[N, T, 4], &[8, 12, 4])], Ok("N = 8, T = 12")),
            (&[(&[N, T], &[8, 12]), (&[N, S, T], &[8, 3, 12])], Ok("N = 8, S = 3, T = 12")),
            (&[(&[N, double], &[8, 12])], Ok("N = 8, T = 6")),
            (&[(&[N, T], &[8, 12]), (&[N, T], &[8, 9])], Err(Misfit::Differs { free: T, before: 12, here: 9 })),
            (&[(&[N, T], &[8, 12]), (&[N, T], &[7, 12])], Err(Misfit::Differs { free: N, before: 8, here: 7 })),
            (&[(&[N, double], &[8, 13])], Err(Misfit::NoValue { declared: double, found: 13 })),
            (&[(&[N, T], &[8, 0])], Err(Misfit::NoValue { declared: T, found: 0 })),
            (&[(&[N, T, 4], &[8, 12, 5])], Err(Misfit::Shape)),
            (&[(&[N, T], &[8])], Err(Misfit::Shape)),
        ];
        for (shapes, expected) in cases {
            let found = shapes
                .iter()
                .try_fold(Sizes::UNKNOWN, |sizes, (declared, found)| sizes.and(Shape::new(declared), found));
            assert_eq!(found.map(|sizes| sizes.to_string()).as_deref(), expected.as_ref().map(|text| &**text));
        }
    }

    #[test]
    fn sizes_give_shapes() {
        let sizes = Sizes::of_batch(8).with(T, 12).with(S, 3);
        assert_eq!(sizes, Sizes::of_batch(8).with(S, 9).with(T, 12).with(S, 3));
        let declared = Shape::new(&[N, extent::shifted(T, -2).unwrap(), S, 7]);
        assert_eq!(sizes.shape(declared), Shape::new(&[8, 10, 3, 7]));
        assert_eq!(sizes.with(T, 1).shape(declared).dim(1), 0);
        assert_eq!(sizes.extent(extent::free("U")), extent::free("U"));
        let product = extent::times(N, T).unwrap();
        let sum = |number| extent::shifted(product, number).unwrap();
        assert_eq!([-97, -90, 0, 1].map(|number| sizes.extent(sum(number))), [0, 6, 96, 97]);
        assert_eq!(Sizes::UNKNOWN.extent(sum(1)), sum(1));
        assert_eq!(Sizes::of_batch(8).extent(sum(1)), extent::shifted(extent::times(T, 8).unwrap(), 1).unwrap());
    }
}
