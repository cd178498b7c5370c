//! What a model is made of: parameters, the trait that built-in layers and users' models share, the names of
//! parameters. Knows no particular layer.

mod fields;
mod given;
mod init;
mod inputs;
mod outputs;
mod parts;

use std::ops::{Deref, DerefMut, Range};
use std::sync::LazyLock;

use ndarray::{ArrayD, ArrayRef, ArrayViewD, ArrayViewMutD, Axis, CowArray, Dimension, IxDyn, Slice};

use crate::build::{Builder, Value};
use crate::counter;
use crate::shape::{DType, Shape, ShapeError, Sizes, Type};
pub use fields::{Field, Holds, check_field};
pub use given::{Argument, Given, Tensor, given_number};
pub use init::Init;
use init::tensor;
pub use inputs::{ElementTypes, InputArray, Inputs, TakenFrom};
pub use outputs::{ElementsMut, NoRoom, OfCount, OutputTypes, reserve};

/// Whether an optimizer changes a parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A weight or a bias: it has a gradient.
    Trained,
    /// A weight or a bias that stays as it is: no gradient is taken in it, so that the backward graph holds nothing for it.
    /// Gradients pass through its layer to what lies before. PyTorch's `requires_grad = False`.
    Frozen,
    /// Part of the model's state without a gradient, such as a running mean.
    Buffer,
    /// A [`Kind::Buffer`] that counts: a whole number of 64 bits, in files as in memory, as PyTorch's are. See
    /// [`Parameter::count`].
    Counter,
}

/// A named tensor of a model, in PyTorch's layout. Its name is the path of the fields that lead to it: `conv1.weight`.
///
/// It is one pointer, so that a model of thousands of layers is small where it is passed by value; what it holds are the fields
/// of [`ParameterData`]: `parameter.value`. [`SetParameter::set`] gives it a value of its shape.
#[derive(Clone, Debug, PartialEq)]
pub struct Parameter(Box<ParameterData>);

/// What a [`Parameter`] holds.
#[derive(Clone, Debug, PartialEq)]
pub struct ParameterData {
    /// The value: an array of the parameter's own. While a trainer or a predictor has the model, the values lie in its memory and
    /// nowhere else; layers that build graphs then see NaN of the same shape, which take no memory.
    ///
    /// One of another shape than the layer has declared ([`Parameter::shape`]) is refused by `build()` and `save`.
    pub value: CowArray<'static, f32, IxDyn>,
    /// Whether it is trained.
    pub kind: Kind,
    shape: Shape,
    /// Of a counter: the count, which `value` shows as an f32; where it does not, `value` was set since.
    count: i64,
}

impl Deref for Parameter {
    type Target = ParameterData;

    fn deref(&self) -> &ParameterData {
        &self.0
    }
}

impl DerefMut for Parameter {
    fn deref_mut(&mut self) -> &mut ParameterData {
        &mut self.0
    }
}

/// Why a parameter does not get a value, or has a wrong one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParameterError {
    /// An array of another shape, given to [`SetParameter::set`].
    #[error("the parameter has the shape {expected}, but the array has the shape {found:?}")]
    Given {
        /// The shape that the layer has declared.
        expected: Shape,
        /// The array's shape.
        found: Vec<usize>,
    },
    /// A value of another shape than the layer has declared.
    #[error(
        "parameter `{name}` should have the shape {expected}, as its layer declares, but its value has the shape {found:?}"
    )]
    Shape {
        /// The parameter.
        name: String,
        /// The shape that the layer has declared.
        expected: Shape,
        /// The value's shape.
        found: Vec<usize>,
    },
    /// A layer without this parameter, such as one that was declared with `bias = false`.
    #[error("the layer was declared without this parameter (as by `bias = false`)")]
    Absent,
}

/// Setting a parameter, or one that a layer may have (`Option<Parameter>`, such as a bias); in the prelude.
///
/// ```
/// use kiln_graph::layers::{Linear, LinearSettings};
/// use kiln_graph::model::{Init, SetParameter};
/// use ndarray::array;
///
/// let mut fc = Linear::<3, 2>::new(LinearSettings::new(), &mut Init::new(0));
/// fc.weight.set(&array![[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])?;
/// fc.bias.set(&array![0.5, -0.5])?;
/// let error = fc.weight.set(&array![1.0, 2.0]).unwrap_err();
/// assert_eq!(error.to_string(), "the parameter has the shape [2, 3], but the array has the shape [2]");
/// # Ok::<(), kiln_graph::model::ParameterError>(())
/// ```
pub trait SetParameter {
    /// Copies an array, of any memory layout, to the parameter.
    ///
    /// # Errors
    /// [`ParameterError::Given`] for an array of another shape, [`ParameterError::Absent`] where there is no parameter; nothing
    /// is changed then.
    fn set<D: Dimension>(&mut self, value: &ArrayRef<f32, D>) -> Result<(), ParameterError>;
}

impl SetParameter for Parameter {
    fn set<D: Dimension>(&mut self, value: &ArrayRef<f32, D>) -> Result<(), ParameterError> {
        if value.shape() != self.shape.dims() {
            return Err(ParameterError::Given { expected: self.shape, found: value.shape().to_vec() });
        }
        self.value = tensor(self.shape, value.iter().copied()).into();
        Ok(())
    }
}

impl SetParameter for Option<Parameter> {
    fn set<D: Dimension>(&mut self, value: &ArrayRef<f32, D>) -> Result<(), ParameterError> {
        self.as_mut().ok_or(ParameterError::Absent)?.set(value)
    }
}

impl Parameter {
    fn of_kind(value: ArrayD<f32>, kind: Kind) -> Parameter {
        let shape = Shape::from(value.shape());
        Parameter(Box::new(ParameterData { value: value.into(), kind, shape, count: 0 }))
    }

    /// A parameter that optimizers change.
    pub fn trained(value: ArrayD<f32>) -> Parameter {
        Parameter::of_kind(value, Kind::Trained)
    }

    /// A parameter that has no gradient.
    pub fn buffer(value: ArrayD<f32>) -> Parameter {
        Parameter::of_kind(value, Kind::Buffer)
    }

    /// A count, which has no gradient.
    pub fn counter(count: i64) -> Parameter {
        let mut parameter = Parameter::of_kind(ArrayD::zeros(IxDyn(&[])), Kind::Counter);
        parameter.set_count(count);
        parameter
    }

    /// The count of a [counter](Kind::Counter), exactly; its `value` is the nearest f32. Nothing for other parameters.
    pub fn count(&self) -> Option<i64> {
        if self.kind != Kind::Counter {
            return None;
        }
        let shown = self.value.first().copied().unwrap_or_default();
        Some(if self.count as f32 == shown { self.count } else { shown as i64 }.max(0))
    }

    /// Sets the count of a [counter](Kind::Counter); other parameters stay as they are.
    pub fn set_count(&mut self, count: i64) {
        if self.kind == Kind::Counter {
            self.value = ArrayD::from_elem(IxDyn(&[]), count as f32).into();
            self.count = count;
        }
    }

    /// Takes the value; NaN of the same shape stand in its place.
    pub fn take(&mut self) -> ArrayD<f32> {
        static NOTHING: LazyLock<ArrayD<f32>> = LazyLock::new(|| ArrayD::from_elem(vec![], f32::NAN));
        let nothing = NOTHING.broadcast(self.value.raw_dim()).expect("a scalar has every shape");
        std::mem::replace(&mut self.value, nothing.into()).into_owned()
    }

    /// The extents that the layer has declared: those of the value that it made.
    pub fn shape(&self) -> Shape {
        self.shape
    }
}

impl Builder {
    /// The present value of a parameter: its state's, whose name is `name` under the current scope (`conv1.weight`), or
    /// what an update before has made of it. The same layer applied twice gives the same value, whose gradients add up.
    pub fn parameter(&self, name: &str, parameter: &Parameter) -> Value<'_> {
        self.current(self.parameter_state(name, parameter))
    }

    /// The state that holds a parameter, for layers that update it by themselves; that of a counter has its
    /// [digits](crate::counter).
    pub fn parameter_state(&self, name: &str, parameter: &Parameter) -> Value<'_> {
        let ty = match parameter.kind {
            Kind::Trained | Kind::Frozen | Kind::Buffer => Type::f32(parameter.shape()),
            Kind::Counter => counter::TYPE,
        };
        self.state(&self.path(name), ty)
    }
}

/// What built-in layers and derived models have in common at run time.
///
/// Beside the trait every built-in layer `T` with settings `S` has three inherent functions, which the macros call:
/// `T::new(settings: S, init: &mut Init) -> T` and, as `const fn`s for the compile-time checks,
/// `T::shape(input: Shape, settings: &S) -> Result<Shape, ShapeError>` and
/// `T::shape_or_assumed(input: Shape, settings: &S) -> Shape`, which after a mismatch gives the shape that the layer
/// would have had from the input it is declared for. A [`Model`] has its associated constants instead.
#[diagnostic::on_unimplemented(message = "`{Self}` is not a layer", label = "not a layer")]
pub trait Layer {
    /// The layer's result for the input `x`, with the layer's parameters as states of the graph.
    ///
    /// An input of a wrong shape is recorded as an error in the builder, whose `finish` returns it.
    fn forward<'g>(&self, g: &'g Builder, x: Value<'g>) -> Value<'g>;

    /// Calls `f` with every parameter and its full name, in order of declaration.
    fn visit<'a>(&'a self, path: &mut Path, f: &mut dyn FnMut(&str, &'a Parameter)) {
        let _ = (path, f);
    }

    /// As [`Layer::visit`], to change the parameters.
    fn visit_mut(&mut self, path: &mut Path, f: &mut dyn FnMut(&str, &mut Parameter)) {
        let _ = (path, f);
    }

    /// Says whether the parameters are trained; buffers are none of these. PyTorch's method of this name: the layer gets no
    /// gradients and is not updated by programs that are built from then on, and works as before otherwise.
    fn requires_grad_(&mut self, required: bool) {
        self.visit_mut(&mut Path::new(), &mut |_, parameter| match (parameter.kind, required) {
            (Kind::Trained, false) => parameter.kind = Kind::Frozen,
            (Kind::Frozen, true) => parameter.kind = Kind::Trained,
            (Kind::Trained | Kind::Frozen | Kind::Buffer | Kind::Counter, _) => {}
        });
    }

    /// Calls `f` with the path and the description (`Conv2d(1, 20, kernel 5)`) of every built-in layer within.
    fn describe(&self, path: &mut Path, f: &mut dyn FnMut(&str, &str));
}

/// What holds named parameters: every layer and every model, those among them that are trained by steps and have no
/// `forward`; arrays and tuples (of up to 56) of these, under the numbers of their parts. [`Layer`] brings it.
pub trait Parameters {
    /// Calls `f` with every parameter and its full name, in order of declaration.
    fn each_parameter<'a>(&'a self, f: &mut dyn FnMut(&str, &'a Parameter));

    /// As [`Parameters::each_parameter`], to change the parameters.
    fn each_parameter_mut(&mut self, f: &mut dyn FnMut(&str, &mut Parameter));

    /// Calls `f` with the path and the description of every built-in layer within.
    fn each_layer(&self, f: &mut dyn FnMut(&str, &str));

    /// That every value has the shape that its layer has declared.
    ///
    /// # Errors
    /// [`ParameterError::Shape`] for the first that has another one.
    fn check_shapes(&self) -> Result<(), ParameterError> {
        let mut result = Ok(());
        self.each_parameter(&mut |name, parameter| {
            let (expected, found) = (parameter.shape(), parameter.value.shape());
            if result.is_ok() && expected.dims() != found {
                result = Err(ParameterError::Shape { name: name.to_owned(), expected, found: found.to_vec() });
            }
        });
        result
    }
}

impl<L: Layer> Parameters for L {
    fn each_parameter<'a>(&'a self, f: &mut dyn FnMut(&str, &'a Parameter)) {
        self.visit(&mut Path::new(), f);
    }

    fn each_parameter_mut(&mut self, f: &mut dyn FnMut(&str, &mut Parameter)) {
        self.visit_mut(&mut Path::new(), f);
    }

    fn each_layer(&self, f: &mut dyn FnMut(&str, &str)) {
        self.describe(&mut Path::new(), f);
    }
}

/// A whole network: a layer that takes one shape of input and can be made by itself. `#[derive(Model)]` and `model!`
/// implement it.
///
/// A model may have several inputs or outputs, or such of other element types: it gives [`Model::INPUTS`] with
/// [`Model::INPUT_NAMES`], [`Model::OUTPUTS`] and [`Model::forward_all`], its [`Layer::forward`] is [`not_of_one`], and its `INPUT` and `OUTPUT`
/// are [`only`](crate::shape::only), which refuses to compile where one input or output is needed and there are several.
///
/// A model is used as a layer of another one by its name. What is not one of Kiln's layers and is to stand in a model
/// implements this trait and [`Layer`].
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a layer",
    label = "neither a layer of Kiln nor a model",
    note = "a field of a model is a layer like `Linear<10, 10>`, a model (a struct with `#[derive(Model)]` or one \
            declared by `model!`), an array `[LAYER; COUNT]` or a tuple of these"
)]
pub trait Model: Layer + Sized {
    /// What the input holds: `f32` for numbers, `i32` for indices. Of several inputs a tuple, `(f32, i32)`.
    type Input: ElementTypes;
    /// What the output holds: `f32` for numbers, `i32` for indices. Of several outputs a tuple, `(f32, i32)`.
    type Output: OutputTypes;

    /// The input's shape; the batch axis [`Shape::N`] comes first.
    const INPUT: Shape;
    /// The output's shape; the batch axis [`Shape::N`] comes first.
    const OUTPUT: Shape;

    /// The types of all inputs, in order. One without the batch axis is the same for all rows.
    const INPUTS: &'static [Type] = &[Type::new(Self::Input::DTYPES[0], Self::INPUT)];
    /// The names of the inputs in the model's `forward`, in order; `x` of a model that does not say.
    const INPUT_NAMES: &'static [&'static str] = &["x"];
    /// The types of all outputs, in order. One without the batch axis, such as a loss, is of all rows together: a model with
    /// such an output is applied by others, as a trainer and a predictor put rows together.
    const OUTPUTS: &'static [Type] = &[Type::new(Self::Output::DTYPES[0], Self::OUTPUT)];
    /// The names of the outputs, in order. The macros take that of the variable or the layer that gives it behind `forward`'s
    /// last statement, `(scores, corners(x))`, else its position: `output1`.
    const OUTPUT_NAMES: &'static [&'static str] = &["output"];

    /// What a model that holds this one may use as values, by the names of its fields.
    const FIELDS: &'static [Field] = &[];

    /// The results for a value for each of [`Model::INPUTS`], with the model's parameters as states of the graph: one for
    /// each of [`Model::OUTPUTS`].
    fn forward_all<'g>(&self, g: &'g Builder, inputs: &[Value<'g>]) -> Vec<Value<'g>> {
        match *inputs {
            [x] => vec![self.forward(g, x)],
            _ => {
                g.fail(ShapeError::Inputs { expected: 1, found: inputs.len() }.into());
                Self::OUTPUTS.iter().map(|&ty| g.poison(ty)).collect()
            }
        }
    }

    /// A model with PyTorch's initialisation, drawn from `init`.
    ///
    /// # Panics
    /// If the system does not give the memory that a parameter takes.
    fn new(init: &mut Init) -> Self;

    /// A model with PyTorch's initialisation. The same seed gives the same parameters on every machine.
    ///
    /// # Panics
    /// If the system does not give the memory that a parameter takes.
    fn init(seed: u64) -> Self {
        Self::new(&mut Init::new(seed))
    }

    /// This model as a layer of another one.
    fn as_layer(&self) -> &dyn Layer {
        self
    }

    /// This model as a layer of another one.
    fn as_layer_mut(&mut self) -> &mut dyn Layer {
        self
    }
}

/// The elements of a list of layers, made in its order. (As `std::array::from_fn`, but on the heap, so that a long list is not
/// copied from frame to frame of a debug build's stack.)
pub fn list<T, const LENGTH: usize>(mut element: impl FnMut() -> T) -> [T; LENGTH] {
    let elements: Box<[T]> = (0..LENGTH).map(|_| element()).collect();
    let elements: Box<[T; LENGTH]> = elements.try_into().ok().expect("as many elements as were made");
    *elements
}

/// The layer, with [`Layer::requires_grad_`] said.
pub fn requires_grad<L: Layer>(mut layer: L, required: bool) -> L {
    layer.requires_grad_(required);
    layer
}

/// An element of a tensor as users hold it.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not what one array holds",
    label = "not the elements of one array",
    note = "an array holds f32, i32 or bool; a model of several inputs takes a tuple of arrays: `(&image, &word)`"
)]
pub trait Element: Copy + Default {
    /// The element type of the graph.
    const DTYPE: DType;

    /// Elements of this type among those of any.
    fn elements(array: ArrayViewD<'_, Self>) -> Elements<'_>;

    /// Elements of this type among those of any, to be written.
    fn elements_mut(array: ArrayViewMutD<'_, Self>) -> ElementsMut<'_>;
}

/// Elements of a tensor, of any type.
#[derive(Clone, Debug)]
#[allow(missing_docs)]
pub enum Elements<'a> {
    F32(ArrayViewD<'a, f32>),
    I32(ArrayViewD<'a, i32>),
    Bool(ArrayViewD<'a, bool>),
}

impl<'a> Elements<'a> {
    /// Their type.
    pub fn dtype(&self) -> DType {
        match self {
            Elements::F32(_) => DType::F32,
            Elements::I32(_) => DType::I32,
            Elements::Bool(_) => DType::Bool,
        }
    }

    /// The extents.
    pub fn shape(&self) -> &[usize] {
        match self {
            Elements::F32(array) => array.shape(),
            Elements::I32(array) => array.shape(),
            Elements::Bool(array) => array.shape(),
        }
    }

    /// Those of a part of the samples, which lie along the first axis.
    pub fn samples(mut self, part: Range<usize>) -> Elements<'a> {
        let part = Slice::from(part);
        match self {
            Elements::F32(ref mut array) => array.slice_axis_inplace(Axis(0), part),
            Elements::I32(ref mut array) => array.slice_axis_inplace(Axis(0), part),
            Elements::Bool(ref mut array) => array.slice_axis_inplace(Axis(0), part),
        }
        self
    }
}

macro_rules! elements {
    ($($ty:ty, $dtype:ident;)*) => {$(
        impl Element for $ty {
            const DTYPE: DType = DType::$dtype;

            fn elements(array: ArrayViewD<'_, $ty>) -> Elements<'_> {
                Elements::$dtype(array)
            }

            fn elements_mut(array: ArrayViewMutD<'_, $ty>) -> ElementsMut<'_> {
                ElementsMut::$dtype(array)
            }
        }
    )*};
}

elements! {
    f32, F32;
    i32, I32;
    bool, Bool;
}

/// [`Layer::forward`] of a model with several inputs or outputs: records that one can not do.
pub fn not_of_one<'g, M: Model>(g: &'g Builder, x: Value<'g>) -> Value<'g> {
    let error = if M::INPUTS.len() == 1 {
        ShapeError::Results { expected: 1, found: M::OUTPUTS.len() }
    } else {
        ShapeError::Inputs { expected: M::INPUTS.len(), found: 1 }
    };
    g.fail(error.into());
    x
}

/// The values, which should be `K`; with the error recorded, stand-ins where they are more or fewer.
pub fn exactly<'g, const K: usize>(g: &'g Builder, values: &[Value<'g>]) -> [Value<'g>; K] {
    values.try_into().unwrap_or_else(|_| {
        g.fail(ShapeError::Results { expected: K, found: values.len() }.into());
        std::array::from_fn(|_| g.poison(Type::f32(Shape::SCALAR)))
    })
}

/// A number as a value without axes.
#[track_caller]
pub fn number(g: &Builder, dtype: DType, number: f64) -> Value<'_> {
    crate::written::on(g);
    let number = if dtype == DType::Bool { f64::from(u8::from(number != 0.0)) } else { number };
    g.scalar_of(dtype, number)
}

/// How many rows values have of which these types are declared; so many where none of them has any.
pub fn rows(inputs: &[(Type, Value<'_>)], otherwise: usize) -> usize {
    sizes_of(inputs).rows_or(otherwise)
}

/// What free extents are by the shapes of values of which these types are declared; those that are numbers stay.
pub fn free_extents<const K: usize>(inputs: &[(Type, Value<'_>)], free: [usize; K]) -> [usize; K] {
    let sizes = sizes_of(inputs);
    free.map(|free| sizes.extent(free))
}

/// The sizes that values have of which these types are declared.
fn sizes_of(inputs: &[(Type, Value<'_>)]) -> Sizes {
    let sizes = inputs.iter().try_fold(Sizes::UNKNOWN, |sizes, (ty, value)| sizes.and(ty.shape, value.shape().dims()));
    // Shapes that do not fit have been recorded by what takes them.
    sizes.unwrap_or(Sizes::UNKNOWN)
}

/// The settings of a layer that has none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NoSettings;

impl NoSettings {
    /// The only value.
    pub const fn new() -> NoSettings {
        NoSettings
    }
}

/// A place to which a [`Path`] goes back.
#[derive(Debug)]
#[must_use = "a path goes back by `pop`"]
pub struct Outer {
    length: usize,
}

/// Where a walk over a model is: the names of the fields that lead there, joined by dots.
#[derive(Clone, Debug, Default)]
pub struct Path {
    text: String,
}

impl Path {
    /// The path of the model itself.
    pub fn new() -> Path {
        Path::default()
    }

    /// `block.conv1`; empty for the model itself.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The full name of a member of this place: `block.conv1.weight`.
    pub fn name(&self, member: &str) -> String {
        if self.text.is_empty() { member.to_owned() } else { format!("{}.{member}", self.text) }
    }

    /// Goes into a field for the time of the call.
    pub fn enter<R>(&mut self, field: &str, walk: impl FnOnce(&mut Path) -> R) -> R {
        let outer = self.push(field);
        let result = walk(self);
        self.pop(outer);
        result
    }

    /// Goes into a field, until [`Path::pop`] is given what this returns.
    pub fn push(&mut self, field: &str) -> Outer {
        let outer = Outer { length: self.text.len() };
        if outer.length > 0 {
            self.text.push('.');
        }
        self.text.push_str(field);
        outer
    }

    /// Goes back to where it was before a [`Path::push`].
    pub fn pop(&mut self, outer: Outer) {
        self.text.truncate(outer.length);
    }
}
