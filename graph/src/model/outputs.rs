//! What a model gives, as users hold it: an array for its only output, a tuple of arrays for several. Knows their
//! elements and no model.

use ndarray::{ArrayD, ArrayViewMutD};

use super::{Element, ElementTypes};
use crate::shape::Shape;

/// A tensor of a user's for which the system does not give the memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoRoom {
    /// The tensor's shape.
    pub shape: Shape,
    /// The bytes that it needs.
    pub bytes: usize,
}

/// Makes room for a tensor of this shape, behind what is there. All that grows with the rows that users give does so here.
///
/// # Errors
/// [`NoRoom`], where others would end the process.
pub fn reserve<T>(to: &mut Vec<T>, shape: Shape) -> Result<(), NoRoom> {
    let count = shape.dims().iter().try_fold(1usize, |count, &extent| count.checked_mul(extent));
    match count {
        Some(count) if to.try_reserve(count).is_ok() => Ok(()),
        _ => Err(NoRoom { shape, bytes: count.unwrap_or(usize::MAX).saturating_mul(size_of::<T>()) }),
    }
}

/// An array of zeros.
fn zeros<T: Element>(shape: Shape) -> Result<ArrayD<T>, NoRoom> {
    // Asked for and given back, and then asked for by who gets zeros from the system without writing them; the box keeps the
    // compiler from leaving out both.
    let mut room = Vec::<T>::new();
    reserve(&mut room, shape)?;
    drop(std::hint::black_box(room));
    Ok(ArrayD::from_elem(shape.dims(), T::default()))
}

/// Elements of a tensor that can be written, of any type.
#[derive(Debug)]
#[allow(missing_docs)]
pub enum ElementsMut<'a> {
    F32(ArrayViewMutD<'a, f32>),
    I32(ArrayViewMutD<'a, i32>),
    Bool(ArrayViewMutD<'a, bool>),
}

/// The element types of a model's outputs: `f32`, `i32` or `bool` of the only one, a tuple of these of several.
pub trait OutputTypes: ElementTypes {
    /// `ArrayD<f32>` for `f32`, `(ArrayD<f32>, ArrayD<i32>)` for `(f32, i32)`.
    type Arrays;

    /// Arrays of the shapes that `shape` gives for each position, full of zeros.
    ///
    /// # Errors
    /// [`NoRoom`].
    fn arrays(shape: &dyn Fn(usize) -> Shape) -> Result<Self::Arrays, NoRoom>;

    /// Calls `f` with each array and its position.
    fn each(arrays: &mut Self::Arrays, f: &mut dyn FnMut(usize, ElementsMut<'_>));
}

/// The types of `K` tensors: `f32` of one, `(f32, i32)` of two.
#[diagnostic::on_unimplemented(
    message = "`{Self}` are not the elements of {K} tensors",
    label = "another number of tensors",
    note = "a function over all outputs and targets takes an array of each, with a name for every one: \
            `|[scores, boxes], [labels, corners]| ..`; `loss_fn` and `.metric` are for one output and one target"
)]
pub trait OfCount<const K: usize> {}

impl<T: Element> OutputTypes for T {
    type Arrays = ArrayD<T>;

    fn arrays(shape: &dyn Fn(usize) -> Shape) -> Result<ArrayD<T>, NoRoom> {
        zeros(shape(0))
    }

    fn each(arrays: &mut ArrayD<T>, f: &mut dyn FnMut(usize, ElementsMut<'_>)) {
        f(0, T::elements_mut(arrays.view_mut()));
    }
}

impl<T: Element> OfCount<1> for T {}

impl OfCount<1> for () {}

/// Tuples, by the names of their elements' types, and their places.
macro_rules! several {
    ($($count:literal ($($element:ident $place:tt),*);)*) => {$(
        impl<$($element: Element),*> OutputTypes for ($($element,)*) {
            type Arrays = ($(ArrayD<$element>,)*);

            fn arrays(shape: &dyn Fn(usize) -> Shape) -> Result<Self::Arrays, NoRoom> {
                Ok(($(zeros::<$element>(shape($place))?,)*))
            }

            fn each(arrays: &mut Self::Arrays, f: &mut dyn FnMut(usize, ElementsMut<'_>)) {
                $(f($place, $element::elements_mut(arrays.$place.view_mut()));)*
            }
        }

        impl<$($element),*> OfCount<$count> for ($($element,)*) {}
    )*};
}

several! {
    2 (A 0, B 1);
    3 (A 0, B 1, C 2);
    4 (A 0, B 1, C 2, D 3);
    5 (A 0, B 1, C 2, D 3, F 4);
    6 (A 0, B 1, C 2, D 3, F 4, G 5);
    7 (A 0, B 1, C 2, D 3, F 4, G 5, H 6);
    8 (A 0, B 1, C 2, D 3, F 4, G 5, H 6, I 7);
    9 (A 0, B 1, C 2, D 3, F 4, G 5, H 6, I 7, J 8);
    10 (A 0, B 1, C 2, D 3, F 4, G 5, H 6, I 7, J 8, K 9);
    11 (A 0, B 1, C 2, D 3, F 4, G 5, H 6, I 7, J 8, K 9, L 10);
    12 (A 0, B 1, C 2, D 3, F 4, G 5, H 6, I 7, J 8, K 9, L 10, M 11);
}
