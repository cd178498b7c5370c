//! Lists of tensors in a body, over types: what rustc fills and looks through where a body over values has a `Vec`.
//! Knows types, and no operation.

use super::functions::{Elements, elements};
use super::{DType, Message, Shape, ShapeError, Type};

/// The most tensors in a list.
pub const MAX_LIST: usize = 256;

/// The types of the tensors in a list.
#[derive(Clone, Copy, Debug)]
pub struct List {
    types: [Type; MAX_LIST],
    count: usize,
}

/// The shapes of the tensors in a list.
#[derive(Clone, Copy, Debug)]
pub struct Shapes {
    shapes: [Shape; MAX_LIST],
    count: usize,
}

impl Shapes {
    /// They, in order.
    pub const fn as_slice(&self) -> &[Shape] {
        self.shapes.split_at(self.count).0
    }
}

impl List {
    /// The list of no tensors.
    const EMPTY: List = List { types: [Type::new(DType::F32, Shape::SCALAR); MAX_LIST], count: 0 };

    /// How many tensors there are.
    #[allow(clippy::len_without_is_empty)]
    pub const fn len(&self) -> usize {
        self.count
    }

    /// Their types, in order.
    pub const fn types(&self) -> &[Type] {
        self.types.split_at(self.count).0
    }

    /// Their shapes.
    pub const fn shapes(&self) -> Shapes {
        let mut shapes = Shapes { shapes: [Shape::SCALAR; MAX_LIST], count: self.count };
        let mut position = 0;
        while position < self.count {
            shapes.shapes[position] = self.types[position].shape;
            position += 1;
        }
        shapes
    }

    /// What all of them hold, for a function of this name that takes such elements.
    pub const fn element(&self, function: &'static str, taken: Elements) -> Result<DType, ShapeError> {
        let mut all = [(taken, Type::new(DType::F32, Shape::SCALAR)); MAX_LIST];
        let mut position = 0;
        while position < self.count {
            all[position].1 = self.types[position];
            position += 1;
        }
        elements(function, all.split_at(self.count).0)
    }
}

/// The list of these tensors.
///
/// # Panics
/// If these are more than [`MAX_LIST`]; in a constant that is a compile error.
#[track_caller]
pub const fn check_list(name: &str, types: &[Type]) -> List {
    let mut list = List::EMPTY;
    while list.count < types.len() {
        let ty = types[list.count];
        check_push(name, &mut list, ty);
    }
    list
}

/// The list of one tensor several times.
///
/// # Panics
/// As [`check_list`].
#[track_caller]
pub const fn check_repeated(name: &str, ty: Type, count: usize) -> List {
    let mut list = List::EMPTY;
    while list.count < count {
        check_push(name, &mut list, ty);
    }
    list
}

/// Takes one tensor more.
///
/// # Panics
/// If there are as many as [`MAX_LIST`]; in a constant that is a compile error.
#[track_caller]
pub const fn check_push(name: &str, list: &mut List, ty: Type) {
    if list.count == MAX_LIST {
        let message = Message::new().text("the list `").text(name).text("` has ").number(MAX_LIST);
        panic!("{}", message.text(" tensors, and can not have more").as_str())
    }
    list.types[list.count] = ty;
    list.count += 1;
}

/// Takes another tensor in the place of one.
///
/// # Panics
/// If there is none; in a constant that is a compile error.
#[track_caller]
pub const fn check_put(name: &str, list: &mut List, index: usize, ty: Type) {
    check_element(name, list, index);
    list.types[index] = ty;
}

/// The type of a tensor.
///
/// # Panics
/// If there is none; in a constant that is a compile error.
#[track_caller]
pub const fn check_element(name: &str, list: &List, index: usize) -> Type {
    if index >= list.count {
        let message = Message::new().text("there is no tensor ").text(name).text("[");
        let message = if (index as isize) < 0 {
            message.text("-").number((list.count as isize - index as isize) as usize)
        } else {
            message.number(index)
        };
        let message = message.text("]: ").text(name).text(" has ").number(list.count);
        panic!("{}", message.text(if list.count == 1 { " tensor" } else { " tensors" }).as_str())
    }
    list.types[index]
}
