//! What a model takes, as users hold it: an array for its only input, a tuple of arrays for several. Knows their
//! elements and no shapes.

use ndarray::{ArrayBase, ArrayRef, ArrayView, ArrayViewD, Data, Dimension};

use super::{Element, Elements};
use crate::shape::DType;

/// The element types of a model's inputs: `f32`, `i32` or `bool` of the only one, a tuple of these of several (up to
/// twelve).
pub trait ElementTypes {
    /// They, in order.
    const DTYPES: &'static [DType];
}

impl<T: Element> ElementTypes for T {
    const DTYPES: &'static [DType] = &[T::DTYPE];
}

/// An array of elements of one type: of any memory layout, owned, shared, a view or a reference to one of these; or one
/// number by itself.
pub trait InputArray<T> {
    /// Its elements.
    fn elements_of(&self) -> ArrayViewD<'_, T>;
}

impl<T, S: Data, D: Dimension> InputArray<T> for ArrayBase<S, D>
where
    T: TakenFrom<S::Elem>,
{
    fn elements_of(&self) -> ArrayViewD<'_, T> {
        T::elements(self.view()).into_dyn()
    }
}

/// A number by itself: what a model takes without axes, `temperature: []`.
macro_rules! numbers {
    ($($ty:ty),*) => {$(
        impl InputArray<$ty> for $ty {
            fn elements_of(&self) -> ArrayViewD<'_, $ty> {
                ndarray::aview0(self).into_dyn()
            }
        }
    )*};
}

numbers!(f32, i32, bool);

/// What is taken from an array of `Given`: `Given` itself. A trait, so that rustc says what to do where an array holds
/// something else; of the type that is taken, so that `Array2::zeros([8, 4])` needs no type of its own.
#[diagnostic::on_unimplemented(
    message = "an array of `{Given}` is given where one of `{Self}` is taken",
    label = "its elements are `{Given}`",
    note = "a model takes f32, and i32 or bool where its `forward` says so, `x: [N, 8; i32]`; `x.mapv(|x| x as f32)` is a \
            copy of `x` with elements of f32"
)]
pub trait TakenFrom<Given>: Sized {
    /// The same array.
    #[doc(hidden)]
    fn elements<D: Dimension>(array: ArrayView<'_, Given, D>) -> ArrayView<'_, Self, D>;
}

impl<T> TakenFrom<T> for T {
    fn elements<D: Dimension>(array: ArrayView<'_, T, D>) -> ArrayView<'_, T, D> {
        array
    }
}

impl<T, D: Dimension> InputArray<T> for ArrayRef<T, D> {
    fn elements_of(&self) -> ArrayViewD<'_, T> {
        ArrayView::from(self.view()).into_dyn()
    }
}

impl<T, X: InputArray<T> + ?Sized> InputArray<T> for &X {
    fn elements_of(&self) -> ArrayViewD<'_, T> {
        (**self).elements_of()
    }
}

/// What is given to a model whose inputs have the element types `T`: `&x` for one input; for several a tuple of
/// arrays or of references to them, `(&image, &word)`, or a reference to one, such as a batch of a data set of tuples. An
/// input without rows is the same for all samples, however many these are.
#[diagnostic::on_unimplemented(
    message = "a model with inputs of `{T}` does not take `{Self}`",
    label = "not the arrays that the model takes",
    note = "one input is given as `&array`, several as a tuple in their order: `(&image, &word)`; each array holds the \
            elements that `forward` declares, f32 where it says nothing; a number by itself stands for an array without \
            axes: `(&image, 0.5)`"
)]
pub trait Inputs<T> {
    /// Calls `f` with each array and its position, until one fails.
    ///
    /// # Errors
    /// What `f` gives.
    fn each<E>(&self, f: impl FnMut(usize, Elements<'_>) -> Result<(), E>) -> Result<(), E>;
}

impl<T: Element, X: InputArray<T> + ?Sized> Inputs<T> for &X {
    fn each<E>(&self, mut f: impl FnMut(usize, Elements<'_>) -> Result<(), E>) -> Result<(), E> {
        f(0, T::elements((**self).elements_of()))
    }
}

/// Tuples, by the names of their elements' and arrays' types, and their places.
macro_rules! several {
    ($(($($element:ident $array:ident $place:tt),*);)*) => {$(
        impl<$($element: Element),*> ElementTypes for ($($element,)*) {
            const DTYPES: &'static [DType] = &[$($element::DTYPE),*];
        }

        impl<$($element: Element, $array: InputArray<$element>),*> Inputs<($($element,)*)> for ($($array,)*) {
            fn each<E>(&self, mut f: impl FnMut(usize, Elements<'_>) -> Result<(), E>) -> Result<(), E> {
                $(f($place, $element::elements(self.$place.elements_of()))?;)*
                Ok(())
            }
        }

        impl<$($element: Element, $array: InputArray<$element>),*> Inputs<($($element,)*)> for &($($array,)*) {
            fn each<E>(&self, f: impl FnMut(usize, Elements<'_>) -> Result<(), E>) -> Result<(), E> {
                (**self).each(f)
            }
        }
    )*};
}

several! {
    (A P 0, B Q 1);
    (A P 0, B Q 1, C R 2);
    (A P 0, B Q 1, C R 2, D S 3);
    (A P 0, B Q 1, C R 2, D S 3, F T 4);
    (A P 0, B Q 1, C R 2, D S 3, F T 4, G U 5);
    (A P 0, B Q 1, C R 2, D S 3, F T 4, G U 5, H V 6);
    (A P 0, B Q 1, C R 2, D S 3, F T 4, G U 5, H V 6, I W 7);
    (A P 0, B Q 1, C R 2, D S 3, F T 4, G U 5, H V 6, I W 7, J X 8);
    (A P 0, B Q 1, C R 2, D S 3, F T 4, G U 5, H V 6, I W 7, J X 8, K Y 9);
    (A P 0, B Q 1, C R 2, D S 3, F T 4, G U 5, H V 6, I W 7, J X 8, K Y 9, L Z 10);
    (A P 0, B Q 1, C R 2, D S 3, F T 4, G U 5, H V 6, I W 7, J X 8, K Y 9, L Z 10, M O 11);
}
