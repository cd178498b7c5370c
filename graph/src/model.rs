//! What a model is made of: parameters, the trait that built-in layers and users' models share, the names of
//! parameters and their initial values. Knows no particular layer.

use std::sync::LazyLock;

use ndarray::{ArrayD, ArrayViewD, CowArray, IxDyn};

use crate::build::{Builder, Value};
use crate::shape::{DType, Shape, ShapeError, Type};

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
    /// A [`Kind::Buffer`] that counts: a whole number, which files hold as an i64, as PyTorch's do. (It is exact up to
    /// 2^24.)
    Counter,
}

/// A named tensor of a model, in PyTorch's layout. Its name is the path of the fields that lead to it: `conv1.weight`.
#[derive(Clone, Debug, PartialEq)]
pub struct Parameter {
    /// The value: an array of the parameter's own. While a trainer or a predictor has the model, the values lie in its memory and
    /// nowhere else; layers that build graphs then see NaN of the same shape, which take no memory.
    pub value: CowArray<'static, f32, IxDyn>,
    /// Whether it is trained.
    pub kind: Kind,
}

impl Parameter {
    /// A parameter that optimizers change.
    pub fn trained(value: ArrayD<f32>) -> Parameter {
        Parameter { value: value.into(), kind: Kind::Trained }
    }

    /// A parameter that has no gradient.
    pub fn buffer(value: ArrayD<f32>) -> Parameter {
        Parameter { value: value.into(), kind: Kind::Buffer }
    }

    /// A count, which has no gradient.
    pub fn counter(value: ArrayD<f32>) -> Parameter {
        Parameter { value: value.into(), kind: Kind::Counter }
    }

    /// Takes the value; NaN of the same shape stand in its place.
    pub fn take(&mut self) -> ArrayD<f32> {
        static NOTHING: LazyLock<ArrayD<f32>> = LazyLock::new(|| ArrayD::from_elem(vec![], f32::NAN));
        let nothing = NOTHING.broadcast(self.value.raw_dim()).expect("a scalar has every shape");
        std::mem::replace(&mut self.value, nothing.into()).into_owned()
    }

    /// The extents.
    pub fn shape(&self) -> Shape {
        Shape::from(self.value.shape())
    }
}

impl Builder {
    /// The present value of a parameter: its state's, whose name is `name` under the current scope (`conv1.weight`), or
    /// what an update before has made of it. The same layer applied twice gives the same value, whose gradients add up.
    pub fn parameter(&self, name: &str, parameter: &Parameter) -> Value<'_> {
        self.current(self.parameter_state(name, parameter))
    }

    /// The state that holds a parameter, for layers that update it by themselves.
    pub fn parameter_state(&self, name: &str, parameter: &Parameter) -> Value<'_> {
        self.state(&self.path(name), Type::f32(parameter.shape()))
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
/// `forward`. [`Layer`] brings it.
pub trait Parameters {
    /// Calls `f` with every parameter and its full name, in order of declaration.
    fn each_parameter<'a>(&'a self, f: &mut dyn FnMut(&str, &'a Parameter));

    /// As [`Parameters::each_parameter`], to change the parameters.
    fn each_parameter_mut(&mut self, f: &mut dyn FnMut(&str, &mut Parameter));

    /// Calls `f` with the path and the description of every built-in layer within.
    fn each_layer(&self, f: &mut dyn FnMut(&str, &str));
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
/// A model may have several inputs or outputs, or such of other element types: it gives [`Model::INPUTS`],
/// [`Model::OUTPUTS`] and [`Model::forward_all`], its [`Layer::forward`] is [`not_of_one`], and its `INPUT` and `OUTPUT`
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
    /// What the input holds: `f32` for numbers, `i32` for indices. (Of the first of several inputs.)
    type Input: Element;

    /// The input's shape; the batch axis [`Shape::N`] comes first.
    const INPUT: Shape;
    /// The output's shape; the batch axis [`Shape::N`] comes first.
    const OUTPUT: Shape;

    /// The types of all inputs, in order.
    const INPUTS: &'static [Type] = &[Type::new(Self::Input::DTYPE, Self::INPUT)];
    /// The types of all outputs, in order.
    const OUTPUTS: &'static [Type] = &[Type::new(DType::F32, Self::OUTPUT)];

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
    fn new(init: &mut Init) -> Self;

    /// A model with PyTorch's initialisation. The same seed gives the same parameters on every machine.
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

/// The layer, with [`Layer::requires_grad_`] said.
pub fn requires_grad<L: Layer>(mut layer: L, required: bool) -> L {
    layer.requires_grad_(required);
    layer
}

/// An element of a tensor as users hold it.
pub trait Element: Copy {
    /// The element type of the graph.
    const DTYPE: DType;

    /// Elements of this type among those of any.
    fn elements(array: ArrayViewD<'_, Self>) -> Elements<'_>;
}

/// Elements of a tensor, of any type.
#[derive(Clone, Debug)]
#[allow(missing_docs)]
pub enum Elements<'a> {
    F32(ArrayViewD<'a, f32>),
    I32(ArrayViewD<'a, i32>),
    Bool(ArrayViewD<'a, bool>),
}

macro_rules! elements {
    ($($ty:ty, $dtype:ident;)*) => {$(
        impl Element for $ty {
            const DTYPE: DType = DType::$dtype;

            fn elements(array: ArrayViewD<'_, $ty>) -> Elements<'_> {
                Elements::$dtype(array)
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

/// The settings of a layer that has none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NoSettings;

impl NoSettings {
    /// The only value.
    pub const fn new() -> NoSettings {
        NoSettings
    }
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
        let length = self.text.len();
        if length > 0 {
            self.text.push('.');
        }
        self.text.push_str(field);
        let result = walk(self);
        self.text.truncate(length);
        result
    }
}

/// Draws the initial values of a model's parameters: each tensor from a stream of its own, counted from the seed.
#[derive(Clone, Debug)]
pub struct Init {
    seed: u64,
    stream: u32,
}

impl Init {
    /// Values that depend on the seed alone.
    pub fn new(seed: u64) -> Init {
        Init { seed, stream: 0 }
    }

    /// A tensor drawn uniformly from `[-bound, bound)`.
    pub fn uniform(&mut self, shape: impl Into<Shape>, bound: f64) -> ArrayD<f32> {
        let shape = shape.into();
        let stream = self.stream;
        self.stream += 1;
        let draw = |index: usize| {
            let unit = kiln_rt::random::uniform(self.seed, 0, stream, index as u64);
            ((2.0 * f64::from(unit) - 1.0) * bound) as f32
        };
        tensor(shape, draw)
    }

    /// A tensor drawn from the standard normal distribution (Box and Muller: of two uniform numbers `u`, `v` the values
    /// `sqrt(-2 log(1 - u)) cos(2 pi v)` and the same with the sine).
    pub fn normal(&mut self, shape: impl Into<Shape>) -> ArrayD<f32> {
        let shape = shape.into();
        let stream = self.stream;
        self.stream += 1;
        let unit = |index: usize| f64::from(kiln_rt::random::uniform(self.seed, 0, stream, index as u64));
        let draw = |index: usize| {
            let (u, v) = (unit(index & !1), unit(index | 1));
            let (sine, cosine) = (v * std::f64::consts::TAU).sin_cos();
            ((-2.0 * (-u).ln_1p()).sqrt() * if index.is_multiple_of(2) { cosine } else { sine }) as f32
        };
        tensor(shape, draw)
    }

    /// PyTorch's `kaiming_uniform_(a = sqrt(5))` of a weight of which each output sums over `fan_in` inputs:
    /// uniform in ± `1 / sqrt(fan_in)`. PyTorch draws the bias of such a layer from the same range.
    pub fn kaiming_uniform(&mut self, shape: impl Into<Shape>, fan_in: usize) -> ArrayD<f32> {
        // gain = sqrt(2 / (1 + a^2)) = sqrt(1 / 3) and bound = sqrt(3) * gain / sqrt(fan_in).
        self.uniform(shape, if fan_in > 0 { 1.0 / (fan_in as f64).sqrt() } else { 0.0 })
    }
}

/// A tensor of what is drawn for each place, in memory that a program can use for its own states once it has the values.
fn tensor(shape: Shape, draw: impl Fn(usize) -> f32) -> ArrayD<f32> {
    let mut values = kiln_rt::room(shape.elements());
    values.extend((0..shape.elements()).map(draw));
    ArrayD::from_shape_vec(IxDyn(shape.dims()), values).expect("one value for each element")
}
