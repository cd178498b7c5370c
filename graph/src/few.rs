//! A list of mostly few elements, which lie in the list itself. It knows nothing of what they are.
//!
//! Graphs and kernels are full of such lists, so that what one costs shows in the time that compiling takes, above all
//! where this crate is built without optimization: nothing here goes through layers of generic functions, and what is
//! shortest is put in its place even there (`inline(always)`).

use std::fmt;
use std::hash::{Hash, Hasher};
use std::ops::{Deref, DerefMut, Index, IndexMut, RangeFull, RangeTo};

/// A list of which up to `N` elements need no memory of their own.
#[derive(Clone)]
pub struct Few<T, const N: usize>(Elements<T, N>);

#[derive(Clone)]
enum Elements<T, const N: usize> {
    /// So many elements; the others are fillers.
    Here(u8, [T; N]),
    /// More than `N` elements, now or once.
    Elsewhere(Vec<T>),
}

impl<T: Copy + Default, const N: usize> Few<T, N> {
    /// The empty list.
    #[inline(always)]
    pub fn new() -> Few<T, N> {
        const { assert!(N <= u8::MAX as usize) };
        Few(Elements::Here(0, [T::default(); N]))
    }

    /// A list of these elements.
    pub fn from_slice(elements: &[T]) -> Few<T, N> {
        if elements.len() > N {
            return Few(Elements::Elsewhere(elements.to_vec()));
        }
        let mut here = [T::default(); N];
        let mut number = 0;
        while number < elements.len() {
            here[number] = elements[number];
            number += 1;
        }
        Few(Elements::Here(number as u8, here))
    }

    /// Appends an element.
    #[inline]
    pub fn push(&mut self, element: T) {
        match &mut self.0 {
            Elements::Here(len, here) if (*len as usize) < N => {
                here[*len as usize] = element;
                *len += 1;
            }
            Elements::Here(_, here) => {
                let mut all = Vec::with_capacity(2 * N + 1);
                all.extend_from_slice(&here[..]);
                all.push(element);
                self.0 = Elements::Elsewhere(all);
            }
            Elements::Elsewhere(all) => all.push(element),
        }
    }

    /// Leaves the first elements, at most so many.
    pub fn truncate(&mut self, most: usize) {
        match &mut self.0 {
            Elements::Here(len, _) => *len = (*len as usize).min(most) as u8,
            Elements::Elsewhere(all) => all.truncate(most),
        }
    }

    /// Takes an element out; those behind it move up.
    ///
    /// # Panics
    /// If there is no such element.
    pub fn remove(&mut self, number: usize) -> T {
        let removed = self[number];
        let last = self.len() - 1;
        self.copy_within(number + 1.., number);
        self.truncate(last);
        removed
    }
}

impl<T, const N: usize> Few<T, N> {
    /// How many elements there are.
    #[inline(always)]
    pub fn len(&self) -> usize {
        match &self.0 {
            Elements::Here(len, _) => *len as usize,
            Elements::Elsewhere(all) => all.len(),
        }
    }

    /// Whether there are none.
    #[inline(always)]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The elements.
    #[inline(always)]
    pub fn as_slice(&self) -> &[T] {
        match &self.0 {
            Elements::Here(len, here) => &here[..*len as usize],
            Elements::Elsewhere(all) => all,
        }
    }
}

impl<T: Copy + Default, const N: usize> Default for Few<T, N> {
    fn default() -> Few<T, N> {
        Few::new()
    }
}

impl<T, const N: usize> Deref for Few<T, N> {
    type Target = [T];

    #[inline(always)]
    fn deref(&self) -> &[T] {
        self.as_slice()
    }
}

impl<T, const N: usize> DerefMut for Few<T, N> {
    #[inline(always)]
    fn deref_mut(&mut self) -> &mut [T] {
        match &mut self.0 {
            Elements::Here(len, here) => &mut here[..*len as usize],
            Elements::Elsewhere(all) => all,
        }
    }
}

impl<T, const N: usize> Index<usize> for Few<T, N> {
    type Output = T;

    #[inline(always)]
    fn index(&self, number: usize) -> &T {
        match &self.0 {
            Elements::Here(len, here) => {
                assert!(number < *len as usize, "element {number} of {len}");
                &here[number]
            }
            Elements::Elsewhere(all) => &all[number],
        }
    }
}

impl<T, const N: usize> IndexMut<usize> for Few<T, N> {
    #[inline(always)]
    fn index_mut(&mut self, number: usize) -> &mut T {
        match &mut self.0 {
            Elements::Here(len, here) => {
                assert!(number < *len as usize, "element {number} of {len}");
                &mut here[number]
            }
            Elements::Elsewhere(all) => &mut all[number],
        }
    }
}

impl<T, const N: usize> Index<RangeFull> for Few<T, N> {
    type Output = [T];

    fn index(&self, _: RangeFull) -> &[T] {
        self.as_slice()
    }
}

impl<T, const N: usize> Index<RangeTo<usize>> for Few<T, N> {
    type Output = [T];

    fn index(&self, range: RangeTo<usize>) -> &[T] {
        &self.as_slice()[range]
    }
}

impl<T: Copy + Default, const N: usize> From<&[T]> for Few<T, N> {
    fn from(elements: &[T]) -> Few<T, N> {
        Few::from_slice(elements)
    }
}

impl<T: Copy + Default, const N: usize> FromIterator<T> for Few<T, N> {
    fn from_iter<I: IntoIterator<Item = T>>(elements: I) -> Few<T, N> {
        let mut few = Few::new();
        few.extend(elements);
        few
    }
}

impl<T: Copy + Default, const N: usize> Extend<T> for Few<T, N> {
    fn extend<I: IntoIterator<Item = T>>(&mut self, elements: I) {
        for element in elements {
            self.push(element);
        }
    }
}

impl<'a, T, const N: usize> IntoIterator for &'a Few<T, N> {
    type Item = &'a T;
    type IntoIter = Each<'a, T, N>;

    fn into_iter(self) -> Each<'a, T, N> {
        Each { few: self, next: 0 }
    }
}

/// The elements of a list, one after the other: a step is one call where that of a slice's iterator is several.
#[derive(Clone)]
pub struct Each<'a, T, const N: usize> {
    few: &'a Few<T, N>,
    next: usize,
}

impl<'a, T, const N: usize> Iterator for Each<'a, T, N> {
    type Item = &'a T;

    #[inline(always)]
    fn next(&mut self) -> Option<&'a T> {
        let number = self.next;
        match &self.few.0 {
            Elements::Here(len, here) if number < *len as usize => {
                self.next = number + 1;
                Some(&here[number])
            }
            Elements::Here(..) => None,
            Elements::Elsewhere(all) => {
                self.next = number + 1;
                all.get(number)
            }
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = self.few.len().saturating_sub(self.next);
        (left, Some(left))
    }
}

impl<'a, T, const N: usize> IntoIterator for &'a mut Few<T, N> {
    type Item = &'a mut T;
    type IntoIter = std::slice::IterMut<'a, T>;

    fn into_iter(self) -> std::slice::IterMut<'a, T> {
        self.iter_mut()
    }
}

impl<T: PartialEq, const N: usize> PartialEq for Few<T, N> {
    fn eq(&self, other: &Few<T, N>) -> bool {
        let mut number = 0;
        while number < self.len() && number < other.len() && self[number] == other[number] {
            number += 1;
        }
        number == self.len() && number == other.len()
    }
}

impl<T: Eq, const N: usize> Eq for Few<T, N> {}

impl<T: Hash, const N: usize> Hash for Few<T, N> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_usize(self.len());
        let mut number = 0;
        while number < self.len() {
            self[number].hash(state);
            number += 1;
        }
    }
}

impl<T: fmt::Debug, const N: usize> fmt::Debug for Few<T, N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_slice().fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whatever is done to it, the list has the elements of a vector to which the same is done.
    #[test]
    fn a_list_is_as_a_vector() {
        for most in 0..9 {
            let (mut few, mut all) = (Few::<u32, 4>::new(), Vec::new());
            for element in 0..most {
                few.push(element);
                all.push(element);
                assert_eq!((few.as_slice(), few[element as usize]), (&all[..], element));
            }
            let from_slice = Few::from_slice(&all);
            assert!(few == from_slice && few == all.iter().copied().collect(), "{few:?}");
            assert!((&few).into_iter().eq(&all) && (&few).into_iter().size_hint() == (all.len(), Some(all.len())));
            assert_eq!((few.len(), few.is_empty()), (all.len(), all.is_empty()));
            let (mut longer, mut other) = (few.clone(), few.clone());
            longer.push(7);
            other.iter_mut().for_each(|element| *element += 1);
            assert!((few == longer, longer == few, few == other) == (false, false, few.is_empty()), "{few:?}");
            few.iter_mut().for_each(|element| *element *= 3);
            all.iter_mut().for_each(|element| *element *= 3);
            for number in 0..all.len() {
                let (mut few, mut all) = (few.clone(), all.clone());
                few[number] += 1;
                all[number] += 1;
                assert_eq!((few.remove(number), few.as_slice()), (all.remove(number), &all[..]));
                few.truncate(2);
                all.truncate(2);
                assert_eq!(few.as_slice(), &all[..]);
            }
        }
    }

    #[test]
    #[should_panic(expected = "element 2 of 2")]
    fn fillers_are_no_elements() {
        _ = Few::<u32, 4>::from_slice(&[7, 8])[2];
    }
}
