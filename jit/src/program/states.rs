//! What lives on between runs: parameters, moments, statistics, counters. Named buffers, each in the layout that the
//! first program to use it has planned, shared by all programs of a model. Which of them are trained, and what their
//! names mean, is not known here.

mod kept;

use std::collections::{BTreeMap, HashMap};

use kiln_graph::{DType, Shape, Type};
use kiln_rt::{Buffer, Pages};
use ndarray::{ArrayD, ArrayView, ArrayViewD, ArrayViewMut, ArrayViewMutD, IxDyn, ShapeBuilder};

use super::clock::Time;
use super::copy::copy;
use crate::cost::params::memory::WORTH_RECYCLING;
use crate::layout::Layout;

/// The states of a model, by name. A state is made by the first [`Session`](super::Session) that uses it, full of zeros.
#[derive(Debug, Default)]
pub struct States {
    entries: Vec<Entry>,
    /// Parallel to `entries`; memory that programs are bound to, so that no buffer is ever replaced.
    buffers: Vec<Buffer>,
    /// Parallel to `entries`; when each buffer was last written.
    written: Vec<Time>,
    /// The latest of these times.
    latest: Time,
    positions: HashMap<String, usize>,
    /// The values of states that no program has used yet.
    given: BTreeMap<String, ArrayD<f32>>,
    /// The same of i32 states.
    given_i32: BTreeMap<String, ArrayD<i32>>,
    /// The same of i8 states.
    given_i8: BTreeMap<String, ArrayD<i8>>,
    /// See [`States::keep`].
    kept: Option<kept::Kept>,
}

#[derive(Debug)]
struct Entry {
    name: String,
    ty: Type,
    layout: Layout,
}

impl Entry {
    /// That a program can use it which has it in a type and a layout.
    fn check(&self, found: Type, layout: Layout) -> Result<(), StateError> {
        let (name, expected) = (|| self.name.clone(), self.ty);
        if expected != found {
            return Err(StateError::Type { name: name(), expected, found });
        }
        if self.layout != layout { Err(StateError::Layout { name: name() }) } else { Ok(()) }
    }

    /// What a buffer of this state holds, in row-major order.
    fn read<T: Copy + Default>(&self, buffer: &[T]) -> ArrayD<T> {
        let shape = self.ty.shape;
        let mut values = vec![T::default(); shape.elements()];
        copy(shape, (buffer, &self.layout), (&mut values, &Layout::row_major(shape)));
        ArrayD::from_shape_vec(shape.dims(), values).expect("as many values as the shape holds")
    }

    fn write<T: Copy>(&self, from: ArrayViewD<'_, T>, buffer: &mut [T]) {
        let shape = self.ty.shape;
        let from = from.as_standard_layout();
        let values = from.as_slice().expect("an array in row-major order");
        copy(shape, (values, &Layout::row_major(shape)), (buffer, &self.layout));
    }
}

/// What the states hold at some time; see [`States::snapshot`].
#[derive(Clone, Debug)]
pub struct Snapshot(Vec<Buffer>);

/// What some states held; see [`States::hold`].
#[derive(Clone, Debug, Default)]
pub struct Held {
    positions: Vec<usize>,
    buffers: Vec<Buffer>,
}

/// Why a state is not read, written or shared.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StateError {
    /// No program has such a state.
    #[error("there is no state `{name}`")]
    Unknown {
        /// The name.
        name: String,
    },
    /// Two programs of one model differ about the type of a state.
    #[error("state `{name}` is of type {expected}, but the program has it as {found}")]
    Type {
        /// The state's name.
        name: String,
        /// Its type in the programs so far.
        expected: Type,
        /// Its type in the new one.
        found: Type,
    },
    /// A program was compiled without the layout that a state has already.
    #[error(
        "state `{name}` lies in another layout than the program was compiled for; give `States::layout` to `CompileOptions`"
    )]
    Layout {
        /// The state's name.
        name: String,
    },
    /// An array of another shape.
    #[error("state `{name}` has the shape {expected}, but the array has the shape {found:?}")]
    Shape {
        /// The state's name.
        name: String,
        /// Its shape.
        expected: Shape,
        /// The array's shape.
        found: Vec<usize>,
    },
    /// An array of another element type.
    #[error("state `{name}` holds {expected}, not {found}")]
    Element {
        /// The state's name.
        name: String,
        /// What it holds.
        expected: DType,
        /// What was given.
        found: DType,
    },
    /// States that need more memory than the system gives.
    #[error(
        "the parameters and the optimizer's states need {bytes} bytes of memory, which the system does not give: take a \
         smaller model, or an optimizer that keeps less"
    )]
    Memory {
        /// What they need beside the parameters that there are.
        bytes: usize,
    },
}

impl States {
    /// None yet.
    pub fn new() -> States {
        States::default()
    }

    /// The names, in the order in which programs have brought them.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.entries.iter().map(|entry| entry.name.as_str())
    }

    /// How a state lies in memory; give it to the next program that is compiled.
    pub fn layout(&self, name: &str) -> Option<Layout> {
        self.entry(name).map(|(_, entry)| entry.layout)
    }

    /// The type of a state.
    pub fn ty(&self, name: &str) -> Option<Type> {
        self.entry(name).map(|(_, entry)| entry.ty)
    }

    /// A copy of an f32 state, in row-major order, or of what was [given](States::give) to it; nothing if there is no such state of
    /// f32.
    pub fn read(&self, name: &str) -> Option<ArrayD<f32>> {
        if let Some(given) = self.given.get(name) {
            return Some(given.clone());
        }
        let (position, entry) = self.entry(name).filter(|(_, entry)| entry.ty.dtype == DType::F32)?;
        Some(entry.read(self.buffers[position].f32()))
    }

    /// A copy of an i32 state (or a bool one, as 0 and 1), in row-major order, or of what was [given](States::give_i32) to it;
    /// nothing if there is no such state.
    pub fn read_i32(&self, name: &str) -> Option<ArrayD<i32>> {
        if let Some(given) = self.given_i32.get(name) {
            return Some(given.clone());
        }
        let (position, entry) = self.entry(name).filter(|(_, entry)| holds(entry.ty.dtype, DType::I32))?;
        Some(entry.read(self.buffers[position].i32()))
    }

    /// A copy of an i8 state, in row-major order, or of what was [given](States::give_i8) to it; nothing if there is no such state.
    pub fn read_i8(&self, name: &str) -> Option<ArrayD<i8>> {
        if let Some(given) = self.given_i8.get(name) {
            return Some(given.clone());
        }
        let (position, entry) = self.entry(name).filter(|(_, entry)| entry.ty.dtype == DType::I8)?;
        Some(entry.read(self.buffers[position].i8()))
    }

    /// Sets an f32 state.
    pub fn write(&mut self, name: &str, from: ArrayViewD<'_, f32>) -> Result<(), StateError> {
        let position = self.writable(name, DType::F32, from.shape())?;
        self.touch(&[position]);
        self.entries[position].write(from, self.buffers[position].f32_mut());
        Ok(())
    }

    /// Sets an i32 state (or a bool one, true where a number is not 0).
    pub fn write_i32(&mut self, name: &str, from: ArrayViewD<'_, i32>) -> Result<(), StateError> {
        let position = self.writable(name, DType::I32, from.shape())?;
        self.touch(&[position]);
        let (entry, to) = (&self.entries[position], self.buffers[position].i32_mut());
        match entry.ty.dtype {
            DType::Bool => entry.write(from.map(|&value| i32::from(value != 0)).view(), to),
            DType::F32 | DType::Bf16 | DType::I32 | DType::U8 | DType::I8 => entry.write(from, to),
        }
        Ok(())
    }

    /// Gives an f32 state its value, which it takes at once or, if no program has used it yet, when one does; the array's memory
    /// may become that of other states.
    ///
    /// # Errors
    /// As for [`States::write`], where the state is there; else [`States::ensure`] finds them.
    pub fn give(&mut self, name: &str, value: ArrayD<f32>) -> Result<(), StateError> {
        if self.positions.contains_key(name) {
            return self.write(name, value.view());
        }
        self.given.insert(name.to_owned(), value);
        Ok(())
    }

    /// As [`States::give`], an i32 state.
    ///
    /// # Errors
    /// As for [`States::write_i32`], where the state is there; else [`States::ensure`] finds them.
    pub fn give_i32(&mut self, name: &str, value: ArrayD<i32>) -> Result<(), StateError> {
        if self.positions.contains_key(name) {
            return self.write_i32(name, value.view());
        }
        self.given_i32.insert(name.to_owned(), value);
        Ok(())
    }

    /// As [`States::give`], an i8 state.
    ///
    /// # Errors
    /// As for [`States::write`], where the state is there; else [`States::ensure`] finds them.
    pub fn give_i8(&mut self, name: &str, value: ArrayD<i8>) -> Result<(), StateError> {
        if self.positions.contains_key(name) {
            let position = self.writable(name, DType::I8, value.shape())?;
            self.touch(&[position]);
            self.entries[position].write(value.view(), self.buffers[position].i8_mut());
        } else {
            self.given_i8.insert(name.to_owned(), value);
        }
        Ok(())
    }

    /// Makes the states that are not there yet, with what was [given](States::give) to them or zeros, in such pages; gives the
    /// positions of all.
    ///
    /// # Errors
    /// [`StateError::Type`] and [`StateError::Layout`] where one is there, but differs; [`StateError::Shape`] and
    /// [`StateError::Element`] where what was given does not fit; [`StateError::Memory`]. No state is made then.
    pub fn ensure(&mut self, wanted: &[(&str, Type, Layout)], pages: Pages) -> Result<Vec<usize>, StateError> {
        for &(name, ty, layout) in wanted {
            if let Some(given) = self.given.get(name) {
                fits(name, ty, DType::F32, given.shape())?;
            }
            if let Some(given) = self.given_i32.get(name) {
                fits(name, ty, DType::I32, given.shape())?;
            }
            if let Some(given) = self.given_i8.get(name) {
                fits(name, ty, DType::I8, given.shape())?;
            }
            if let Some((_, entry)) = self.entry(name) {
                entry.check(ty, layout)?;
            }
        }
        let bytes = self.bytes_of_new(wanted);
        // A system that has no such memory ends a program that takes it all the same.
        if Vec::<u8>::new().try_reserve_exact(bytes).is_err() {
            return Err(StateError::Memory { bytes });
        }
        let first = self.entries.len();
        for &(name, ty, layout) in wanted {
            if !self.positions.contains_key(name) {
                self.positions.insert(name.to_owned(), self.entries.len());
                self.entries.push(Entry { name: name.to_owned(), ty, layout });
            }
        }
        self.make_buffers(first, pages);
        self.written.resize(self.entries.len(), Time::default());
        self.touch(&(first..self.entries.len()).collect::<Vec<_>>());
        for &(name, ..) in wanted {
            if let Some(value) = self.given_i32.remove(name) {
                self.write_i32(name, value.view())?;
            }
            if let Some(value) = self.given_i8.remove(name) {
                self.give_i8(name, value)?;
            }
        }
        Ok(wanted.iter().map(|&(name, ..)| self.positions[name]).collect())
    }

    /// The memory that the states take which are not there yet, beside what was given to some: that is copied, and then
    /// the memory of others.
    fn bytes_of_new(&self, wanted: &[(&str, Type, Layout)]) -> usize {
        let mut bytes = [0_usize; 2];
        for (name, ty, layout) in wanted.iter().filter(|(name, ..)| !self.positions.contains_key(*name)) {
            let of = &mut bytes[usize::from(self.given.contains_key(*name))];
            *of = of.saturating_add(words(ty.dtype, layout).saturating_mul(size_of::<f32>()));
        }
        bytes[0].max(bytes[1])
    }

    /// The buffers of the states from a position on. Those with values come first; what held a value becomes the memory of another
    /// state of as many elements, such as the same parameter's moment, so that the system has less of it to hand out.
    fn make_buffers(&mut self, first: usize, pages: Pages) {
        let entries = &self.entries[first..];
        let lengths = |numbers: &[usize]| -> Vec<usize> {
            numbers.iter().map(|&number| words(entries[number].ty.dtype, &entries[number].layout)).collect()
        };
        let (given, others): (Vec<usize>, Vec<usize>) =
            (0..entries.len()).partition(|&number| self.given.contains_key(&entries[number].name));
        let mut buffers: Vec<Option<Buffer>> = vec![None; entries.len()];
        let mut spare: HashMap<usize, Vec<Vec<f32>>> = HashMap::new();
        for (&number, mut buffer) in given.iter().zip(Buffer::reserved_together(&lengths(&given), pages)) {
            let entry = &entries[number];
            buffer.populate();
            if let Some(value) = self.given.remove(&entry.name) {
                entry.write(value.view(), buffer.f32_mut());
                // Memory that asks for huge pages has none of these.
                if pages == Pages::Any && entry.layout.elements >= WORTH_RECYCLING {
                    spare.entry(entry.layout.elements).or_default().push(value.into_raw_vec_and_offset().0);
                }
            }
            buffers[number] = Some(buffer);
        }
        let mut recycled = |number: usize| {
            let elements = words(entries[number].ty.dtype, &entries[number].layout);
            Buffer::recycled(spare.get_mut(&elements)?.pop()?, elements)
        };
        others.iter().for_each(|&number| buffers[number] = recycled(number));
        let rest: Vec<usize> = others.into_iter().filter(|&number| buffers[number].is_none()).collect();
        for (&number, buffer) in rest.iter().zip(Buffer::zeroed_together(&lengths(&rest), pages)) {
            buffers[number] = Some(buffer);
        }
        self.buffers.extend(buffers.into_iter().flatten());
    }

    /// Copies what all states hold.
    pub fn snapshot(&self) -> Snapshot {
        Snapshot(self.buffers.clone())
    }

    /// Gives these states what they held when the snapshot was taken of them; later ones stay as they are.
    pub fn restore(&mut self, snapshot: &Snapshot) {
        for (buffer, held) in self.buffers.iter_mut().zip(&snapshot.0) {
            buffer.i32_mut().copy_from_slice(held.i32());
        }
        let latest = Time::next();
        self.written[..snapshot.0.len()].fill(latest);
        self.latest = latest;
    }

    /// Keeps what all states hold now, for [`States::take_back`].
    pub fn keep(&mut self) {
        self.kept.get_or_insert_default().update(&self.buffers, &self.written, self.latest);
    }

    /// Gives the states what they held when [`States::keep`] was called last; those that have come since stay as they are.
    pub fn take_back(&mut self) {
        let Some(mut kept) = self.kept.take() else { return };
        let changed = kept.changed(&self.written);
        self.touch(&changed);
        kept.give_back(&mut self.buffers, &changed, self.latest);
        self.kept = Some(kept);
    }

    /// Copies what some states hold, for [`States::put_back`].
    pub fn hold(&self, positions: &[usize], held: &mut Held) {
        let of = |&position: &usize| self.buffers[position].clone();
        if held.positions != positions {
            *held = Held { positions: positions.to_vec(), buffers: positions.iter().map(of).collect() };
            return;
        }
        for (buffer, &position) in held.buffers.iter_mut().zip(positions) {
            buffer.i32_mut().copy_from_slice(self.buffers[position].i32());
        }
    }

    /// Where a state stands, by its name.
    pub fn position(&self, name: &str) -> Option<usize> {
        self.entry(name).map(|(position, _)| position)
    }

    /// Fills a state with zeros, by its position.
    pub fn clear(&mut self, position: usize) {
        self.touch(&[position]);
        self.buffers[position].i32_mut().fill(0);
    }

    /// What an f32 state held when [`States::hold`] copied it, in row-major order; nothing where it was not among those.
    pub fn read_held(&self, name: &str, held: &Held) -> Option<ArrayD<f32>> {
        let (position, entry) = self.entry(name).filter(|(_, entry)| entry.ty.dtype == DType::F32)?;
        let place = held.positions.iter().position(|&of| of == position)?;
        Some(entry.read(held.buffers[place].f32()))
    }

    /// Gives states what they held when [`States::hold`] copied it.
    pub fn put_back(&mut self, held: &Held) {
        self.touch(&held.positions);
        for (buffer, &position) in held.buffers.iter().zip(&held.positions) {
            self.buffers[position].i32_mut().copy_from_slice(buffer.i32());
        }
    }

    /// Whether an f32 state holds neither NaN nor infinity; true of others.
    pub fn is_finite(&self, name: &str) -> bool {
        const EXPONENT: i32 = f32::INFINITY.to_bits() as i32;
        let of_floats = self.entry(name).filter(|(_, entry)| entry.ty.dtype == DType::F32);
        // Without a branch for each number, so that vectors are looked at.
        of_floats.is_none_or(|(position, _)| {
            let chunk = |bits: &[i32]| !bits.iter().fold(false, |bad, bits| bad | (bits & EXPONENT == EXPONENT));
            self.buffers[position].i32().chunks(1 << 14).all(chunk)
        })
    }

    /// When a state was last written.
    pub(super) fn latest(&self) -> Time {
        self.latest
    }

    /// Whether any of the states at the given positions was written after a time.
    pub(super) fn changed_since(&self, time: Time, positions: &[usize]) -> bool {
        self.latest > time && positions.iter().any(|&position| self.written.get(position).is_none_or(|&at| at > time))
    }

    /// Notes that the states at some positions are written now. Whoever writes says so first.
    pub(super) fn touch(&mut self, positions: &[usize]) {
        if positions.is_empty() {
            return;
        }
        self.latest = Time::next();
        for &position in positions {
            if let Some(written) = self.written.get_mut(position) {
                *written = self.latest;
            }
        }
    }

    /// The positions of states that are there already.
    ///
    /// # Errors
    /// As for [`States::ensure`]; [`StateError::Unknown`] for one that is not there.
    pub(super) fn positions(&self, wanted: &[(&str, Type, Layout)]) -> Result<Vec<usize>, StateError> {
        let position = |&(name, ty, layout): &(&str, Type, Layout)| {
            let (position, entry) = self.entry(name).ok_or_else(|| StateError::Unknown { name: name.to_owned() })?;
            entry.check(ty, layout)?;
            Ok(position)
        };
        wanted.iter().map(position).collect()
    }

    /// The memory of all states, by position.
    pub(super) fn buffers(&self) -> &[Buffer] {
        &self.buffers
    }

    /// The memory of all states, by position; [`States::touch`] those that are written.
    pub(super) fn buffers_mut(&mut self) -> &mut [Buffer] {
        &mut self.buffers
    }

    fn entry(&self, name: &str) -> Option<(usize, &Entry)> {
        self.positions.get(name).map(|&position| (position, &self.entries[position]))
    }

    fn writable(&self, name: &str, dtype: DType, shape: &[usize]) -> Result<usize, StateError> {
        let Some((position, entry)) = self.entry(name) else {
            return Err(StateError::Unknown { name: name.to_owned() });
        };
        fits(name, entry.ty, dtype, shape)?;
        Ok(position)
    }
}

/// How many words of 32 bits the elements of a layout take.
fn words(dtype: DType, layout: &Layout) -> usize {
    if dtype.is_byte() { layout.elements.div_ceil(size_of::<f32>()) } else { layout.elements }
}

/// Whether an array can be the value of a state.
fn fits(name: &str, ty: Type, dtype: DType, shape: &[usize]) -> Result<(), StateError> {
    if !holds(ty.dtype, dtype) {
        return Err(StateError::Element { name: name.to_owned(), expected: ty.dtype, found: dtype });
    }
    if ty.shape.dims() != shape {
        let (expected, found) = (ty.shape, shape.to_vec());
        return Err(StateError::Shape { name: name.to_owned(), expected, found });
    }
    Ok(())
}

/// Whether arrays of the element type `array` stand for values of `dtype`: i32 arrays do for bool values, too.
pub(super) fn holds(dtype: DType, array: DType) -> bool {
    match dtype {
        DType::F32 | DType::Bf16 | DType::I32 | DType::U8 | DType::I8 => dtype == array,
        DType::Bool => array == DType::I32,
    }
}

/// The logical tensor in a buffer.
pub(super) fn view<'a, T>(buffer: &'a [T], shape: Shape, layout: &Layout) -> ArrayViewD<'a, T> {
    ArrayView::from_shape(IxDyn(shape.dims()).strides(strides(shape, layout)), &buffer[layout.offset..])
        .expect("a plan's layouts hold their tensors")
}

/// The logical tensor in a buffer.
pub(super) fn view_mut<'a, T>(buffer: &'a mut [T], shape: Shape, layout: &Layout) -> ArrayViewMutD<'a, T> {
    ArrayViewMut::from_shape(IxDyn(shape.dims()).strides(strides(shape, layout)), &mut buffer[layout.offset..])
        .expect("a plan's layouts hold their tensors")
}

/// Up to four axes take no memory of their own.
fn strides(shape: Shape, layout: &Layout) -> IxDyn {
    IxDyn(&layout.strides.map(|stride| stride as usize)[..shape.rank()])
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;

    #[test]
    fn layouts_are_hidden_from_readers() {
        let mut states = States::new();
        let mut layout = Layout { offset: 1, strides: [0; 8], elements: 20 };
        layout.strides[..2].copy_from_slice(&[1, 5]);
        let ty = Type::f32([2, 3]);
        assert_eq!(states.ensure(&[("w", ty, layout)], Pages::Any), Ok(vec![0]));
        assert_eq!(states.read("w"), Some(ArrayD::zeros(vec![2, 3])));
        let value = array![[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]].into_dyn();
        assert_eq!(states.write("w", value.view()), Ok(()));
        assert_eq!(states.read("w"), Some(value.clone()));
        assert!(states.read("w").is_some_and(|read| read.is_standard_layout()));
        assert_eq!(states.buffers[0].f32()[..8], [0.0, 1.0, 4.0, 0.0, 0.0, 0.0, 2.0, 5.0]);

        assert_eq!(states.give("w", value.clone() + 1.0), Ok(()));
        assert_eq!(states.read("w"), Some(value.clone() + 1.0));

        let name = || "w".to_owned();
        let other = Type::f32([3, 2]);
        assert_eq!(states.ensure(&[("w", ty, layout)], Pages::Any), Ok(vec![0]));
        assert_eq!(
            states.ensure(&[("v", ty, layout), ("w", other, layout)], Pages::Any),
            Err(StateError::Type { name: name(), expected: ty, found: other })
        );
        let moved = Layout { offset: 0, ..layout };
        assert_eq!(states.ensure(&[("w", ty, moved)], Pages::Any), Err(StateError::Layout { name: name() }));
        let (expected, found) = (ty.shape, vec![3, 2]);
        let error = StateError::Shape { name: name(), expected, found };
        assert_eq!(states.write("w", value.t()), Err(error));
        assert_eq!(states.write("v", value.view()), Err(StateError::Unknown { name: "v".into() }));
        assert_eq!(states.read("v"), None);
    }

    #[test]
    fn states_take_what_was_given_to_them_when_they_come_into_being() {
        for (pages, elements) in [(Pages::Any, 6), (Pages::Huge, 6), (Pages::Any, WORTH_RECYCLING)] {
            let shape = Shape::new(&[2, elements / 2]);
            let (ty, layout) = (Type::f32(shape), Layout::row_major(shape));
            let value = |factor: f32| {
                let mut values = kiln_rt::room(elements);
                values.extend((0..elements).map(|number| factor * number as f32));
                ArrayD::from_shape_vec(shape.dims(), values).expect("as many values as the shape holds")
            };
            let mut states = States::new();
            for (name, factor) in [("a", 1.0), ("b", 2.0), ("later", 3.0)] {
                assert_eq!(states.give(name, value(factor)), Ok(()));
            }
            let wanted = ["moment", "a", "second", "b", "third"].map(|name| (name, ty, layout));
            assert_eq!(states.ensure(&wanted, pages), Ok(vec![0, 1, 2, 3, 4]));
            for (name, factor) in
                [("a", 1.0), ("b", 2.0), ("later", 3.0), ("moment", 0.0), ("second", 0.0), ("third", 0.0)]
            {
                assert_eq!(states.read(name), Some(value(factor)), "{name}");
            }
            let other = Type::f32([3]);
            let error = StateError::Shape { name: "later".into(), expected: other.shape, found: shape.dims().to_vec() };
            assert_eq!(states.ensure(&[("later", other, Layout::row_major(other.shape))], pages), Err(error));
            assert_eq!(states.ensure(&[("later", ty, layout)], pages), Ok(vec![5]));
            assert_eq!(states.read("later"), Some(value(3.0)));

            let digits = array![-1, 7].into_dyn();
            let (ty, layout) = (Type::i32([2]), Layout::row_major(Shape::new(&[2])));
            assert_eq!(states.give_i32("count", digits.clone()), Ok(()));
            assert_eq!(states.read_i32("count"), Some(digits.clone()));
            assert!(states.ensure(&[("count", Type::f32([2]), layout)], pages).is_err());
            assert_eq!(states.ensure(&[("count", ty, layout)], pages), Ok(vec![6]));
            assert_eq!(states.read_i32("count"), Some(digits.clone()));
            assert_eq!(states.give_i32("count", digits.clone() + 1), Ok(()));
            assert_eq!(states.read_i32("count"), Some(digits + 1));
        }
    }
}
