//! The table of functions, a part for each subject, and what rows have in common. Knows names only.

mod axes;
mod elementwise;
mod images;
mod layers;
mod places;
mod products;

use super::{Builds, Elements, Form, Function, Gives, Kind, Parameter};
use Elements::{Alike, Any, Compared, Count, Float, Index, Mask, MaskOrFloat, Mixed, Number, Real};

const fn required(name: &'static str, kind: Kind) -> Parameter {
    Parameter { name, kind, default: None }
}

const fn optional(name: &'static str, kind: Kind, default: &'static str) -> Parameter {
    Parameter { name, kind, default: Some(default) }
}

const fn tensor(elements: Elements) -> Parameter {
    required("input", Kind::Tensor(elements))
}

const fn other(elements: Elements) -> Parameter {
    required("other", Kind::Operand(elements))
}

const FLOAT: &[Parameter] = &[tensor(Float)];
const NUMBER: &[Parameter] = &[tensor(Number)];
const ANY: &[Parameter] = &[tensor(Any)];
const TRUTHS: &[Parameter] = &[tensor(Alike), required("other", Kind::Tensor(Alike))];
const MIXED: &[Parameter] = &[tensor(Mixed), other(Mixed)];
const COMPARED: &[Parameter] = &[tensor(Compared), other(Compared)];
const QUOTIENT: &[Parameter] = &[tensor(Real), other(Real)];
const FLOATS: &[Parameter] = &[tensor(Float), other(Float)];
const PARTS: &[Parameter] = &[required("tensors", Kind::Tensors), optional("dim", Kind::Axis, "0")];
const KEEP: Parameter = optional("keepdim", Kind::Flag, "false");
const ONE_AXIS: &[Parameter] = &[tensor(Float), required("dim", Kind::Axis)];
const FOLD: &[Parameter] = &[tensor(Float), optional("dim", Kind::OptionalAxes, "None"), KEEP];
const FOLD_ORDERED: &[Parameter] = &[tensor(Number), optional("dim", Kind::OptionalAxes, "None"), KEEP];
const FOLD_NUMBERS: &[Parameter] = &[tensor(Count), optional("dim", Kind::OptionalAxes, "None"), KEEP];
const FOLD_ANY: &[Parameter] = &[tensor(Any), optional("dim", Kind::OptionalAxes, "None"), KEEP];
const PLACE: &[Parameter] = &[tensor(Number), optional("dim", Kind::OptionalAxis, "None"), KEEP];
const EXTREME: &[Parameter] = &[tensor(Float), required("dim", Kind::Axis), KEEP];
const SPREAD: &[Parameter] =
    &[tensor(Float), optional("dim", Kind::OptionalAxes, "None"), optional("correction", Kind::Number, "1.0"), KEEP];

/// A quantile of the part that a parameter says.
const fn quantile(
    name: &'static str,
    parameters: &'static [Parameter],
    rule: &'static str,
    by: &'static str,
) -> Function {
    row(name, parameters, rule).by(Builds::Function(by))
}

const QUANTILE: &[Parameter] = &[tensor(Float), required("q", Kind::Number), OF_ONE, KEEP, BETWEEN];
const QUANTILES: &[Parameter] = &[tensor(Float), required("q", Kind::Numbers), OF_ONE, KEEP, BETWEEN];
const QUANTILE_BY: &[Parameter] = &[tensor(Float), required("q", Kind::Tensor(Float)), OF_ONE, KEEP, BETWEEN];
const OF_ONE: Parameter = optional("dim", Kind::OptionalAxis, "None");
const BETWEEN: Parameter = optional("interpolation", Kind::Text, "\"linear\"");

/// Areas under a curve, whose places are a tensor, or as far apart as a number says.
const AREA_OVER: &[Parameter] = &[required("y", Kind::Tensor(Float)), required("x", Kind::Tensor(Float)), LAST];
const AREA: &[Parameter] = &[required("y", Kind::Tensor(Float)), optional("dx", Kind::Number, "1.0"), LAST];

/// What is added is a multiple of a product or a quotient.
const PRODUCT: &[Parameter] = &[
    tensor(Float),
    required("tensor1", Kind::Tensor(Float)),
    required("tensor2", Kind::Tensor(Float)),
    optional("value", Kind::Number, "1.0"),
];

const DESCENDING: Parameter = optional("descending", Kind::Flag, "false");
const LAST: Parameter = optional("dim", Kind::Axis, "-1");
const ORDER: &[Parameter] = &[tensor(Number), LAST, DESCENDING];
const TRIANGLE: &[Parameter] = &[tensor(Any), optional("diagonal", Kind::Whole, "0")];
const INDEX: Parameter = required("index", Kind::Tensor(Index));

const NORM: &[Parameter] =
    &[tensor(Float), optional("p", Kind::Number, "2.0"), optional("dim", Kind::OptionalAxes, "None"), KEEP];

/// What a maximum pooling that tells its places takes: whole numbers for all spatial axes, or one for each.
const POOL: &[Parameter] = &[
    tensor(Float),
    required("kernel_size", Kind::Sizes),
    optional("stride", Kind::Sizes, "[]"),
    optional("padding", Kind::Sizes, "[0]"),
    optional("dilation", Kind::Sizes, "[1]"),
    optional("ceil_mode", Kind::Flag, "false"),
];
const AVERAGE_POOL: &[Parameter] = &[
    tensor(Float),
    required("kernel_size", Kind::Sizes),
    optional("stride", Kind::Sizes, "[]"),
    optional("padding", Kind::Sizes, "[0]"),
    optional("ceil_mode", Kind::Flag, "false"),
    optional("count_include_pad", Kind::Flag, "true"),
    optional("divisor_override", Kind::OptionalSize, "None"),
];
const ADAPTIVE_POOL: &[Parameter] = &[tensor(Float), required("output_size", Kind::Sizes)];
const UNPOOL: &[Parameter] = &[
    tensor(Float),
    required("indices", Kind::Tensor(Index)),
    required("kernel_size", Kind::Sizes),
    optional("stride", Kind::Sizes, "[]"),
    optional("padding", Kind::Sizes, "[0]"),
    optional("output_size", Kind::Sizes, "[]"),
];

/// What `unfold` and `fold` take: whole numbers for both axes, or one for each.
const UNFOLD_WINDOWS: &[Parameter] = &[
    tensor(Float),
    required("kernel_size", Kind::Sizes),
    optional("dilation", Kind::Sizes, "[1]"),
    optional("padding", Kind::Sizes, "[0]"),
    optional("stride", Kind::Sizes, "[1]"),
];
const FOLD_WINDOWS: &[Parameter] = &[
    tensor(Float),
    required("output_size", Kind::Sizes),
    required("kernel_size", Kind::Sizes),
    optional("dilation", Kind::Sizes, "[1]"),
    optional("padding", Kind::Sizes, "[0]"),
    optional("stride", Kind::Sizes, "[1]"),
];

/// One of two tensors of vectors.
const fn vector(name: &'static str) -> Parameter {
    required(name, Kind::Tensor(Float))
}

/// PyTorch's name for an extent, or for several.
const SECTIONS: &str = "split_size_or_sections";

const fn row(name: &'static str, parameters: &'static [Parameter], rule: &'static str) -> Function {
    let (form, builds, gives) = (Form::Either, Builds::Function(name), Gives::Same);
    Function { name, form, parameters, rule, builds, gives, places: false, smooth: true }
}

/// A function of one f32 operand that is a method of `Value`.
const fn unary(name: &'static str) -> Function {
    row(name, FLOAT, "unchanged").of_value()
}

/// A comparison, which is a method of `Value`.
const fn compare(name: &'static str) -> Function {
    row(name, COMPARED, "broadcast").of_value().giving(Gives::Bool).stopping()
}

/// A pooling that gives its maxima and their places.
const fn places(name: &'static str, parameters: &'static [Parameter]) -> Function {
    row(name, parameters, name).only(Form::Function).giving(Gives::Several).with_places()
}

impl Function {
    const fn of_value(self) -> Function {
        Function { builds: Builds::Value(self.name), ..self }
    }

    const fn by(self, builds: Builds) -> Function {
        Function { builds, ..self }
    }

    /// It makes a tensor of numbers alone, with the name of what is called in the graph.
    const fn made(self, name: &'static str) -> Function {
        Function { builds: Builds::Made(name), gives: Gives::I32, form: Form::Function, smooth: false, ..self }
    }

    const fn only(self, form: Form) -> Function {
        Function { form, ..self }
    }

    const fn giving(self, gives: Gives) -> Function {
        Function { gives, ..self }
    }

    /// Of the two results the second are i32.
    const fn with_places(self) -> Function {
        Function { places: true, ..self }
    }

    /// No gradient passes.
    const fn stopping(self) -> Function {
        Function { smooth: false, ..self }
    }
}

/// All functions. Where one name has several rows, a call is that of the first that its arguments fit.
pub const TABLE: [&[Function]; 6] = [
    elementwise::FUNCTIONS,
    axes::FUNCTIONS,
    products::FUNCTIONS,
    places::FUNCTIONS,
    images::FUNCTIONS,
    layers::FUNCTIONS,
];

const fn tensor_or_number(name: &'static str) -> Parameter {
    required(name, Kind::Operand(Alike))
}
