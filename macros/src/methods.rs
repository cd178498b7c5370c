//! The functions of tensors that a `forward` may call, each a row: PyTorch's name, its arguments with their order and
//! defaults, the shape rule and the builder's call: the one place to extend for a new one. Knows names only.
//!
//! A rule stands in `kiln::graph::shape::functions`, and takes the name, the operands' shapes and the attributes in the
//! order of the parameters; what is built takes the operands' values and the same attributes.

use crate::layers::one_slip;

/// A function of tensors.
pub struct Function {
    pub name: &'static str,
    pub form: Form,
    /// The arguments in PyTorch's order. The method is called on the first tensor among them that is no mask.
    pub parameters: &'static [Parameter],
    /// The `const fn` that gives the shape of the result.
    pub rule: &'static str,
    pub builds: Builds,
    pub gives: Gives,
    /// Whether it gives elements and, second, their places: i32.
    pub places: bool,
    /// Whether a gradient passes.
    #[allow(dead_code)]
    pub smooth: bool,
}

/// How a function may be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// `x.detach()`
    Method,
    /// `cat((a, b))`
    Function,
    /// `x.relu()` and `relu(x)`
    Either,
}

/// What is called to build it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Builds {
    /// An operator of values: `+`.
    Operator(&'static str),
    /// A method of `kiln::graph::Value`.
    Value(&'static str),
    /// A function of `kiln::graph::functions`.
    Function(&'static str),
    /// The same, of no tensor: it takes the graph first.
    Made(&'static str),
}

/// The element type of the result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gives {
    /// That of the operands.
    Same,
    F32,
    I32,
    Bool,
    /// The rule gives the types of several results.
    Several,
}

/// One argument.
pub struct Parameter {
    pub name: &'static str,
    pub kind: Kind,
    /// The value if it is left out, as Rust.
    pub default: Option<&'static str>,
}

/// What an argument may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A tensor.
    Tensor(Elements),
    /// A tensor, or `None`.
    OptionalTensor(Elements),
    /// A tensor or a number.
    Operand(Elements),
    /// A tuple or an array of tensors.
    Tensors,
    /// The number of an axis: an `isize`.
    Axis,
    /// The number of an axis, or `None`.
    OptionalAxis,
    /// Axes: one, or several in brackets or one after the other.
    Axes,
    /// As [`Kind::Axes`], or `None` for all.
    OptionalAxes,
    /// The extents of a shape, in brackets or one after the other; `N` is the batch axis and `-1` what is left.
    Shape,
    /// Whole numbers, in brackets or one after the other.
    Sizes,
    /// A whole number: a `usize`.
    Size,
    /// As [`Kind::Size`], or `None`.
    OptionalSize,
    /// A whole number that may be negative: an `isize`.
    Whole,
    /// As [`Kind::Whole`]; `N` is the extent of the batch axis.
    End,
    /// As [`Kind::Whole`], or `None`.
    OptionalWhole,
    /// As [`Kind::Whole`]: one, or several in brackets or one after the other.
    Wholes,
    /// Axes of two tensors, as many of each: `([1], [0])`.
    PairOfAxes,
    /// `f64`s: one, or several in brackets or one after the other.
    Numbers,
    /// A text.
    Text,
    /// An `f64`.
    Number,
    /// An `f64`, or `None`.
    OptionalNumber,
    /// As [`Kind::Number`], of a type that has a say in the elements of the result, as a number beside an operator has.
    Scalar,
    /// As [`Kind::Scalar`], or `None`.
    OptionalScalar,
    /// A `bool`.
    Flag,
}

/// Which element types an operand may have: the variants of `kiln::graph::shape::functions::Elements`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Elements {
    Float,
    Number,
    Count,
    Any,
    Mask,
    Index,
    MaskOrFloat,
    Mixed,
    Compared,
    Alike,
    Real,
}

impl Elements {
    /// Whether operands of several types become those of one.
    pub fn mixes(self) -> bool {
        matches!(self, Elements::Mixed | Elements::Compared | Elements::Alike | Elements::Real)
    }
}

mod lacking;
mod table;

pub use lacking::{advice, needed, no_argument};
use table::TABLE;

/// Every function.
fn every() -> impl Iterator<Item = &'static Function> {
    TABLE.iter().flat_map(|part| part.iter())
}

impl Function {
    /// The functions of this name.
    pub fn all(name: &str) -> impl Iterator<Item = &'static Function> {
        every().filter(move |function| function.name == name)
    }

    /// The first function of this name.
    pub fn find(name: &str) -> Option<&'static Function> {
        Function::all(name).next()
    }

    /// Whether the tensors that it puts together may hold elements of several types.
    pub fn mixes_tensors(&self) -> bool {
        matches!(self.rule, "cat" | "stack" | "hstack" | "vstack" | "dstack" | "column_stack")
    }

    /// What the tensors that it takes together may hold.
    pub fn of_list(&self) -> Elements {
        match self.rule {
            "index_put" => Elements::Index,
            _ if self.mixes_tensors() => Elements::Alike,
            _ => Elements::Any,
        }
    }

    /// The parameter that stands before the point in a call of the method.
    pub fn receiver(&self) -> usize {
        let tensor = |parameter: &Parameter| match parameter.kind {
            Kind::Tensor(elements) | Kind::Operand(elements) => {
                elements != Elements::Mask || self.parameters[0].name == "input"
            }
            _ => false,
        };
        self.parameters.iter().position(tensor).unwrap_or(0)
    }

    /// What it takes, in words: `` `dim = None` and `keepdim = false` ``.
    pub fn signature(&self, method: bool) -> String {
        let words: Vec<String> = self.arguments(method).iter().map(|argument| format!("`{argument}`")).collect();
        match words.as_slice() {
            [] => "no arguments".to_string(),
            [one] => one.clone(),
            [first @ .., last] => format!("{} and {last}", first.join(", ")),
        }
    }

    /// What stands in the parentheses of a call.
    pub fn call(&self, method: bool) -> String {
        self.arguments(method).join(", ")
    }

    fn arguments(&self, method: bool) -> Vec<String> {
        let receiver = self.receiver();
        let shown = self.parameters.iter().enumerate().filter(|(position, _)| !(method && *position == receiver));
        let argument = |(_, parameter): (usize, &Parameter)| match parameter.default {
            Some(default) => format!("{} = {default}", parameter.name),
            None => parameter.name.to_string(),
        };
        shown.map(argument).collect()
    }
}

/// The names of all functions of a form, in order.
pub fn names(method: bool) -> Vec<&'static str> {
    let wrong = if method { Form::Function } else { Form::Method };
    let mut names: Vec<&str> = every().filter(|f| f.form != wrong).map(|function| function.name).collect();
    names.sort_unstable();
    names.dedup();
    names
}

/// What to write instead of a method of PyTorch's that writes in place, for a tensor and the argument if there is one.
pub fn instead(method: &str, tensor: &str, argument: Option<&str>) -> Option<String> {
    let base = method.strip_suffix('_')?;
    let given = argument.unwrap_or("..");
    let operator = match base {
        "add" => Some("+"),
        "sub" => Some("-"),
        "mul" => Some("*"),
        "div" => Some("/"),
        _ => None,
    };
    let value = match operator {
        Some(operator) => format!("{tensor} {operator} {given}"),
        None if base == "zero" => format!("{tensor} * 0.0"),
        None if base == "fill" => format!("{tensor} * 0.0 + {given}"),
        None if Function::find(base).is_some_and(|function| function.form != Form::Function) => {
            format!("{tensor}.{base}({})", argument.unwrap_or_default())
        }
        None => return None,
    };
    Some(format!("{tensor} = {value}"))
}

/// The function whose name is nearly this one.
pub fn nearest(name: &str, method: bool) -> Option<&'static str> {
    names(method).into_iter().find(|known| known.eq_ignore_ascii_case(name) || one_slip(known, name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_sorted() {
        for part in TABLE {
            assert!(part.is_sorted_by_key(|function| function.name));
        }
    }

    #[test]
    fn required_parameters_come_first() {
        for function in every() {
            assert!(function.parameters.is_sorted_by_key(|parameter| parameter.default.is_some()), "{}", function.name);
        }
    }

    #[test]
    fn all_are_documented() {
        let text = include_str!("forward.md");
        let table = text.split("# Functions of tensors").nth(1).unwrap_or_default();
        let missing = every().filter(|f| !["`", "("].iter().any(|end| table.contains(&format!("`{}{end}", f.name))));
        assert_eq!(missing.map(|function| function.name).collect::<Vec<_>>(), [""; 0]);
    }

    #[test]
    fn methods_are_called_on_their_tensor() {
        let receiver = |name| Function::find(name).map(|function| function.parameters[function.receiver()].name);
        assert_eq!(receiver("where"), Some("input"));
        assert_eq!(receiver("logical_and"), Some("input"));
        assert_eq!(receiver("masked_fill"), Some("input"));
    }

    #[test]
    fn in_place_methods_have_a_counterpart() {
        assert_eq!(instead("zero_", "x", None), Some("x = x * 0.0".to_string()));
        assert_eq!(instead("add_", "x", Some("y")), Some("x = x + y".to_string()));
        assert_eq!(instead("relu_", "x", None), Some("x = x.relu()".to_string()));
        assert_eq!(instead("clamp_", "x", Some("0.0")), Some("x = x.clamp(0.0)".to_string()));
        assert_eq!(instead("copy_", "x", Some("y")), None);
        assert_eq!(instead("relu", "x", None), None);
    }
}
