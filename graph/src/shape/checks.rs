//! The compile-time checks that the macros emit: each is a call in a constant, which fails to evaluate with the error's
//! words, under the user's own tokens. Knows rules by their results only.

use super::functions::{Elements, Types, element, elements};
use super::{DType, MAX_EXTENT, MAX_RANK, Message, Misfit, Shape, ShapeError, Sizes, Type, extent, rules};
use crate::setting::InvalidSetting;

/// Returns the shape, or panics with `shape mismatch in layer NAME: …` (or `wrong setting in ..`): the compile-time check
/// of one layer.
///
/// # Panics
/// With the error's message, if there is one; in a constant that is a compile error.
#[track_caller]
pub const fn check_layer(name: &str, result: Result<Shape, ShapeError>) -> Shape {
    match result {
        Ok(shape) => shape,
        Err(error) => {
            let message = Message::new().text(error.head()).text(" in layer ").text(name).text(": ");
            let message = message.join(&error.message());
            panic!("{}", message.as_str())
        }
    }
}

/// As [`check_layer`], of a layer's parameter that is used as a value.
///
/// # Panics
/// With the error's message, if there is one; in a constant that is a compile error.
#[track_caller]
pub const fn check_parameter(name: &str, result: Result<Shape, ShapeError>) -> Type {
    Type::new(DType::F32, check_layer(name, result))
}

/// The compile-time check of an optimizer's settings.
///
/// # Panics
/// With the setting and its rule, if there is one that does not hold; in a constant that is a compile error.
#[track_caller]
pub const fn check_optimizer(name: &str, result: Result<(), InvalidSetting>) {
    if let Err(InvalidSetting { setting, rule, .. }) = result {
        let message = Message::new().text("wrong setting in optimizer ").text(name).text(": `").text(setting);
        panic!("{}", message.text("` ").text(rule).as_str())
    }
}

/// The compile-time check that a model takes what it is applied to; see [`super::rules::inputs`].
///
/// # Panics
/// With the error's message, if there is one; in a constant that is a compile error.
#[track_caller]
pub const fn check_inputs(name: &str, result: Result<Sizes, ShapeError>) {
    if let Err(error) = result {
        check_layer(name, Err(error));
    }
}

/// The results of a model, which are to be as many as are taken.
///
/// # Panics
/// If there are more or fewer; in a constant that is a compile error.
#[track_caller]
pub const fn check_outputs<const K: usize>(name: &str, outputs: &[Type]) -> [Type; K] {
    if outputs.len() != K {
        check_layer(name, Err(ShapeError::Results { expected: K, found: outputs.len() }));
    }
    first(outputs)
}

/// As [`check_layer`], of a layer that gives several values, which are to be as many as are taken.
///
/// # Panics
/// With the error's message, if there is one, or if there are more or fewer; in a constant that is a compile error.
#[track_caller]
pub const fn check_types<const K: usize>(name: &str, types: Result<Types, ShapeError>) -> [Type; K] {
    match types {
        Ok(types) => check_outputs(name, types.as_slice()),
        Err(error) => {
            check_layer(name, Err(error));
            panic!("an error is refused")
        }
    }
}

/// The result of a function, or a panic with `shape mismatch in TEXT: …`: the compile-time check of one call, which the
/// text shows as the user wrote it.
///
/// # Panics
/// With the error's message, if there is one; in a constant that is a compile error.
#[track_caller]
pub const fn check_call(text: &str, dtype: Result<DType, ShapeError>, shape: Result<Shape, ShapeError>) -> Type {
    match (dtype, rules::elements_of(shape)) {
        (Ok(dtype), Ok(shape)) => Type { dtype, shape },
        (Err(error), _) | (_, Err(error)) => refuse(text, &error),
    }
}

/// As [`check_elementwise`], of one operand whose type is that of the result.
///
/// # Panics
/// With the error's message, if there is one; in a constant that is a compile error.
#[track_caller]
pub const fn check_one(text: &str, op: &'static str, taken: Elements, operand: Type) -> Type {
    match element(op, taken, operand) {
        Ok(dtype) => Type { dtype, ..operand },
        Err(error) => refuse(text, &error),
    }
}

/// As [`check_elementwise`], of two operands whose element type is that of the result.
///
/// # Panics
/// With the error's message, if there is one; in a constant that is a compile error.
#[track_caller]
pub const fn check_two(text: &str, op: &'static str, taken: Elements, left: Type, right: Type) -> Type {
    match (taken, left.dtype, right.dtype) {
        (taken, DType::F32, DType::F32)
            if !matches!(taken, Elements::Mask | Elements::Index) && left.shape.same(&right.shape) =>
        {
            left
        }
        _ => check_elementwise(text, op, None, &[(taken, left), (taken, right)]),
    }
}

/// As [`check_call`], of a function whose operands broadcast, as nearly all are: short, because a body has many of them.
/// The result holds `gives`, or what the operands hold.
///
/// # Panics
/// With the error's message, if there is one; in a constant that is a compile error.
#[track_caller]
pub const fn check_elementwise(
    text: &str,
    op: &'static str,
    gives: Option<DType>,
    operands: &[(Elements, Type)],
) -> Type {
    let found = match elements(op, operands) {
        Ok(found) => found,
        Err(error) => refuse(text, &error),
    };
    let mut shape = operands[0].1.shape;
    let mut operand = 1;
    while operand < operands.len() {
        shape = match rules::broadcast(op, shape, operands[operand].1.shape) {
            Ok(shape) => shape,
            Err(error) => refuse(text, &error),
        };
        operand += 1;
    }
    let dtype = match gives {
        Some(dtype) => dtype,
        None => found,
    };
    Type { dtype, shape }
}

/// As [`check_call`], of a function that gives several values.
///
/// # Panics
/// With the error's message, if there is one, or if other than `K` values come out.
#[track_caller]
pub const fn check_several<const K: usize>(
    text: &str,
    dtype: Result<DType, ShapeError>,
    types: Result<Types, ShapeError>,
) -> [Type; K] {
    let mut all = [Type::new(DType::F32, Shape::SCALAR); K];
    if let Ok(types) = &types {
        let types = types.as_slice();
        let mut position = 0;
        while position < types.len() {
            if let Err(error) = rules::tensor(types[position].shape) {
                refuse(text, &error)
            }
            if position < K {
                all[position] = types[position];
            }
            position += 1;
        }
    }
    match (dtype, &types) {
        (Ok(_), Ok(types)) if types.as_slice().len() == K => all,
        (Ok(_), Ok(types)) => refuse(text, &ShapeError::Results { expected: K, found: types.as_slice().len() }),
        (Err(error), _) => refuse(text, &error),
        (_, Err(error)) => refuse(text, error),
    }
}

#[track_caller]
const fn refuse(text: &str, error: &ShapeError) -> ! {
    let message = Message::new().text(error.head()).text(" in `").text(text).text("`: ").join(&error.message());
    panic!("{}", message.as_str())
}

/// The first `K` of these types.
const fn first<const K: usize>(types: &[Type]) -> [Type; K] {
    let mut all = [Type::new(DType::F32, Shape::SCALAR); K];
    let mut position = 0;
    while position < K {
        all[position] = types[position];
        position += 1;
    }
    all
}

/// The shape of these extents, the batch axis in front of them if there is one.
///
/// # Panics
/// If it has no elements or too many; in a constant that is a compile error.
#[track_caller]
pub const fn check_extents(batch: bool, extents: &[usize]) -> Shape {
    assert!(extents.len() + batch as usize <= MAX_RANK, "a tensor has at most 8 axes");
    let mut shape = Shape::new(extents);
    let mut axis = 0;
    while axis < extents.len() {
        if extents[axis] == extent::BATCH {
            shape = shape.with(axis, Shape::N);
        }
        if extent::is_product(extents[axis]) {
            let message = Message::new().text("the extent ").extent(extents[axis]);
            let message =
                message.text(" is declared, which is a multiple of one free extent at most: leave its axes apart");
            panic!("{}", message.text(", as in `[N, T, 64]`").as_str())
        }
        // Some of these numbers stand for something else in shapes.
        if extents[axis] > MAX_EXTENT && !extent::is_free(extents[axis]) {
            let message = Message::new().text("an extent of ").number(extents[axis]);
            panic!("{}", message.text(" is too large: extents are below 2^31").as_str())
        }
        axis += 1;
    }
    if batch {
        shape = shape.insert(0, Shape::N);
    }
    match rules::tensor(shape) {
        Ok(shape) => shape,
        Err(error) => panic!("{}", error.message().as_str()),
    }
}

/// The compile-time check of an index into a list of layers.
///
/// # Panics
/// If there is no such element; in a constant that is a compile error.
#[track_caller]
pub const fn check_index(list: &str, index: usize, length: usize) {
    if index >= length {
        let message = Message::new().text("there is no layer ").text(list).text("[").number(index).text("]: ");
        let message =
            message.text(list).text(" has ").number(length).text(if length == 1 { " layer" } else { " layers" });
        panic!("{}", message.as_str())
    }
}

/// The compile-time check of an argument of a function that a model declares. Its free extents may be others, or numbers.
///
/// # Panics
/// With both types, if they differ; in a constant that is a compile error.
#[track_caller]
pub const fn check_argument(function: &str, argument: &str, declared: Type, found: Type) -> Type {
    if rules::inputs(&[declared], &[found]).is_err() {
        let message = Message::new().text("shape mismatch in `").text(function).text("`: its argument ").text(argument);
        let message = message.text(" is declared as ").ty(&declared).text(", but is ").ty(&found);
        panic!("{}", message.as_str())
    }
    found
}

/// What the free extents of a function are by its arguments, each with its name, the declared type and its own.
///
/// # Panics
/// If they are others by one argument than by another; in a constant that is a compile error.
#[track_caller]
pub const fn check_sizes(function: &str, arguments: &[(&str, Type, Type)]) -> Sizes {
    let mut sizes = Sizes::UNKNOWN;
    let mut position = 0;
    while position < arguments.len() {
        let (name, declared, found) = arguments[position];
        sizes = match sizes.and(declared.shape, found.shape.dims()) {
            Ok(sizes) => sizes,
            Err(Misfit::Differs { free, before, here }) => {
                let message = Message::new().text("shape mismatch in `").text(function).text("`: its free extent ");
                let message = message.extent(free).text(" is ").extent(here).text(" by its argument ").text(name);
                panic!("{}", message.text(", and ").extent(before).text(" by one before").as_str())
            }
            // Where the argument is given, it was said that it does not fit.
            Err(Misfit::Shape | Misfit::NoValue { .. }) => sizes,
        };
        position += 1;
    }
    sizes
}

/// Returns the declared type of an output, or panics if the layers give another one. `output` names it: `output of Net`.
///
/// # Panics
/// With both types, if they differ; in a constant that is a compile error.
#[track_caller]
pub const fn check_output(output: &str, declared: Type, found: Type) -> Type {
    if !declared.same(&found) {
        let message = Message::new().text("the declared ").text(output).text(" differs: it is declared as ");
        let message = message.ty(&declared).text(", but its layers give ").ty(&found);
        panic!("{}", message.as_str())
    }
    declared
}

/// The shape of the one input or output of a model, where exactly one is needed.
///
/// # Panics
/// If there are several; in a constant that is a compile error.
#[track_caller]
pub const fn only(model: &str, inputs: &str, types: &[Type]) -> Shape {
    if types.len() != 1 {
        let message = Message::new().text(model).text(" has ").number(types.len()).text(" ").text(inputs);
        let message = message.text(
            ", and is used where exactly one is needed: train it in a `step` of a model that \
                                    holds it, or apply it in a `forward`",
        );
        panic!("{}", message.as_str())
    }
    types[0].shape
}

/// The compile-time check of what a `Trainer` or a `Predictor` gives, by the names of a model's outputs: rows of batches are
/// put together, and each output has some.
///
/// # Panics
/// If an output has no batch axis; in a constant that is a compile error.
pub const fn check_rows(names: &[&str], outputs: &[Type]) {
    let mut output = 0;
    while output < outputs.len() {
        let shape = outputs[output].shape;
        if shape.rank() == 0 || shape.dim(0) != Shape::N {
            let name = if output < names.len() { names[output] } else { "output" };
            let message = Message::new().text("the output `").text(name).text("` is ").shape(&shape);
            let message = message.text(
                ", without the batch axis N, and a `Trainer` and a `Predictor` put the rows of batches together: apply \
                 the model in a `step` or an `eval` of a model that holds it, which give results of any shape",
            );
            panic!("{}", message.as_str())
        }
        output += 1;
    }
}

/// The compile-time report of a mistake that has nothing to do with shapes.
///
/// # Panics
/// Always, with the message; in a constant that is a compile error.
#[track_caller]
pub const fn fail(message: &str) {
    panic!("{}", message)
}

/// The compile-time check of what is minimized or differentiated.
///
/// # Panics
/// If it is no scalar; in a constant that is a compile error.
#[track_caller]
pub const fn check_scalar(text: &str, found: Type) {
    if found.shape.rank() != 0 {
        let message = Message::new().text("gradients are taken of a scalar, but `").text(text).text("` has shape ");
        let message = message.shape(&found.shape).text(": reduce it with `.mean()` or `.sum()`");
        panic!("{}", message.as_str())
    }
}

/// The compile-time check of a constant rate of `lerp_from`.
///
/// # Panics
/// If it is not from 0 to 1; in a constant that is a compile error.
#[track_caller]
pub const fn check_rate(rate: f64) {
    assert!(rate >= 0.0 && rate <= 1.0, "the rate of `lerp_from` is from 0, where nothing changes, to 1, which copies");
}

/// The compile-time check of a value that a parameter takes.
///
/// # Panics
/// If it is of another type; in a constant that is a compile error.
#[track_caller]
pub const fn check_taken(parameter: &str, declared: Type, found: Type) {
    if !declared.same(&found) {
        let message = Message::new().text("shape mismatch in `").text(parameter).text("`: it is ").ty(&declared);
        let message = message.text(", and takes a value of ").ty(&found);
        let message = message.text(": a parameter keeps its shape");
        let has_rows = found.shape.rank() > 0 && found.shape.dim(0) == Shape::N;
        panic!("{}", if has_rows { message.text(", which has no batch axis") } else { message }.as_str())
    }
}

/// The compile-time check of a rate of `lerp_from` that is known at run time.
///
/// # Panics
/// If it is no number without axes; in a constant that is a compile error.
#[track_caller]
pub const fn check_rate_type(rate: Type) {
    if rate.shape.rank() != 0 || !matches!(rate.dtype, DType::F32) {
        let message = Message::new().text("the rate of `lerp_from` is a number without axes, but this is ").ty(&rate);
        panic!("{}", message.text(": reduce it with `.mean()`").as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[should_panic(
        expected = "shape mismatch in layer fc2: it takes 100 input features, but its input has shape [N, 128]"
    )]
    fn a_check_names_the_layer() {
        check_layer("fc2", Err(ShapeError::Features { expected: 100, found: Shape::new(&[Shape::N, 128]) }));
    }

    #[test]
    #[should_panic(
        expected = "shape mismatch in layer net: it gives 2 values, but 1 is taken: take them apart, as in \
                               `let (a, b) = ..`"
    )]
    fn results_are_counted() {
        let [_] = check_outputs("net", &[Type::new(DType::F32, Shape::SCALAR); 2]);
    }
}
