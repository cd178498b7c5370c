//! What a model shows to those who hold it: the parameters that a body uses as values, by the fields that lead there,
//! as data that rustc looks through. Knows shapes and no arrays.

use crate::shape::{Message, Shape, ShapeError, Type, check_index, check_parameter};
use crate::words::same;

/// A field of a model in which there are values.
#[derive(Clone, Copy, Debug)]
pub struct Field {
    /// Its name, as in names of parameters.
    pub name: &'static str,
    /// What is in it.
    pub holds: Holds,
}

/// What is in a [`Field`].
#[derive(Clone, Copy, Debug)]
#[allow(missing_docs)]
pub enum Holds {
    /// A parameter, or why there is none.
    Value { shape: Result<Shape, ShapeError> },
    /// A layer, or a model.
    Fields { fields: &'static [Field] },
    /// A list of them.
    List { length: usize, element: &'static Holds },
}

/// The type of a parameter of a model that another one holds by this name, by the names of the fields that lead there; an
/// empty one is the next of the places in lists.
///
/// # Panics
/// If there is none, or it is no value for others; in a constant that is a compile error.
#[track_caller]
pub const fn check_field(model: &str, fields: &[Field], way: &[&str], places: &[usize]) -> Type {
    let (mut step, mut place) = (0, 0);
    let mut message = Message::new().text(model);
    let mut holds = None;
    while step < way.len() {
        let is_place = way[step].is_empty();
        let list = message;
        message = message.text(".");
        message = if is_place { message.number(places[place]) } else { message.text(way[step]) };
        holds = match holds {
            None if step == 0 => field(fields, way[step]),
            Some(Holds::Fields { fields }) if !is_place => field(fields, way[step]),
            Some(Holds::List { length, element }) if is_place => {
                check_index(list.as_str(), places[place], length);
                place += 1;
                Some(*element)
            }
            _ => None,
        };
        step += 1;
    }
    match holds {
        Some(Holds::Value { shape }) => check_parameter(message.as_str(), shape),
        _ => {
            let message =
                Message::new().text("`").text(message.as_str()).text("` is no parameter that a body uses as a ");
            let message = message.text(
                "value: these are `weight` and `bias` of a `Linear`, `weight` of an `Embedding`, a `Parameter` by itself, and \
                 those of a convolution or a norm whose field is `pub`",
            );
            panic!("{}", message.as_str())
        }
    }
}

/// What the field of a name holds.
const fn field(fields: &[Field], name: &str) -> Option<Holds> {
    let mut at = 0;
    while at < fields.len() {
        if same(fields[at].name, name) {
            return Some(fields[at].holds);
        }
        at += 1;
    }
    None
}
