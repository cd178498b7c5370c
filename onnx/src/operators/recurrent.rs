//! RNN, GRU and LSTM: what follows from the inputs of all steps alone is one product in front of the loop, a step
//! ([`Builder::scan`](kiln_graph::Builder::scan)) does the rest.

use kiln_graph::{Builder, DType, Shape, Type, Value, functions};

use super::Row;
use super::quantise::{self, Factor, dynamic, factor_of, zero_point};
use crate::error::Fault;
use crate::read::context::{Context, Results, extent};

pub const TABLE: &[Row] = &[
    Row::new("com.microsoft.DynamicQuantizeLSTM", 1, |c| recurrent(c, Kind::Lstm)).weights(&[3, 7]),
    Row::new("GRU", 7, |c| recurrent(c, Kind::Gru)).weights(&[1, 2, 3]),
    Row::new("LSTM", 7, |c| recurrent(c, Kind::Lstm)).weights(&[1, 2, 3, 7]),
    Row::new("RNN", 7, |c| recurrent(c, Kind::Rnn)).weights(&[1, 2, 3]),
];

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Rnn,
    Gru,
    Lstm,
}

impl Kind {
    fn gates(self) -> usize {
        match self {
            Kind::Rnn => 1,
            Kind::Gru => 3,
            Kind::Lstm => 4,
        }
    }

    /// The functions that ONNX has where none are said.
    fn functions(self) -> &'static [&'static str] {
        match self {
            Kind::Rnn => &["Tanh"],
            Kind::Gru => &["Sigmoid", "Tanh"],
            Kind::Lstm => &["Sigmoid", "Tanh", "Tanh"],
        }
    }
}

/// A function of a step, with its settings.
#[derive(Clone, Copy, Debug)]
enum Function {
    Affine(f64, f64),
    Elu(f64),
    HardSigmoid(f64, f64),
    LeakyRelu(f64),
    Relu,
    ScaledTanh(f64, f64),
    Sigmoid,
    Softplus,
    Softsign,
    Tanh,
    ThresholdedRelu(f64),
}

impl Function {
    /// The function of a name; settings are taken from the lists in the order of the functions that have them.
    fn find(
        name: &str,
        alphas: &mut impl Iterator<Item = f64>,
        betas: &mut impl Iterator<Item = f64>,
    ) -> Result<Function, Fault> {
        let mut alpha = |default: f64| alphas.next().unwrap_or(default);
        let mut beta = |default: f64| betas.next().unwrap_or(default);
        Ok(match name.to_ascii_lowercase().as_str() {
            "affine" => Function::Affine(alpha(1.0), beta(0.0)),
            "elu" => Function::Elu(alpha(1.0)),
            "hardsigmoid" => Function::HardSigmoid(alpha(0.2), beta(0.5)),
            "leakyrelu" => Function::LeakyRelu(alpha(0.01)),
            "relu" => Function::Relu,
            "scaledtanh" => Function::ScaledTanh(alpha(1.0), beta(1.0)),
            "sigmoid" => Function::Sigmoid,
            "softplus" => Function::Softplus,
            "softsign" => Function::Softsign,
            "tanh" => Function::Tanh,
            "thresholdedrelu" => Function::ThresholdedRelu(alpha(1.0)),
            _ => return Err(Fault::unsupported(format!("the activation `{name}`"))),
        })
    }

    fn of(self, x: Value<'_>) -> Value<'_> {
        match self {
            Function::Affine(alpha, beta) => x * alpha + beta,
            Function::Elu(alpha) => functions::elu(x, alpha),
            Function::HardSigmoid(alpha, beta) => (x * alpha + beta).clamp(0.0, 1.0),
            Function::LeakyRelu(alpha) => functions::leaky_relu(x, alpha),
            Function::Relu => x.relu(),
            Function::ScaledTanh(alpha, beta) => (x * beta).tanh() * alpha,
            Function::Sigmoid => x.sigmoid(),
            Function::Softplus => x.relu() + (-x.abs()).exp().log1p(),
            Function::Softsign => functions::softsign(x),
            Function::Tanh => x.tanh(),
            Function::ThresholdedRelu(alpha) => x.gt(alpha).select(x, 0.0),
        }
    }
}

/// What all steps of a direction have in common.
struct Step {
    kind: Kind,
    hidden: usize,
    functions: Vec<Function>,
    clip: Option<f64>,
    /// Of an LSTM: the input gate is what the forget gate leaves.
    coupled: bool,
    /// Of a GRU: the reset gate is behind the product.
    reset_last: bool,
}

/// The weights that a step reads.
struct Weights<'b> {
    /// `[gates * hidden, hidden]`.
    state: Value<'b>,
    /// Of a GRU, `[3 * hidden]`.
    bias: Option<Value<'b>>,
    /// Of an LSTM, `[3 * hidden]`: of the input, the output, the forget gate.
    peepholes: Option<Value<'b>>,
    /// Where the weights are whole numbers, what these stand for.
    whole: Option<Whole<'b>>,
}

/// What whole numbers stand for, of each row of weights.
#[derive(Clone, Copy)]
struct Whole<'b> {
    scale: Value<'b>,
    /// As of a [`Factor`].
    zero: Option<Value<'b>>,
}

/// The product with weights `[rows, columns]`; where these are whole numbers with a scale, that of whole numbers of 8 bits
/// nearest to the other factor.
fn product<'b>(x: Value<'b>, matrix: Value<'b>, whole: Option<Whole<'b>>) -> Value<'b> {
    match whole {
        None => x.matmul(matrix.transpose(0, 1)),
        Some(Whole { scale, zero }) => {
            let (numbers, own) = dynamic(x);
            let weights = Factor { numbers: matrix.transpose(0, 1), zero };
            quantise::product(numbers, weights).convert(DType::F32) * (own * scale)
        }
    }
}

impl Step {
    fn activated<'b>(&self, number: usize, x: Value<'b>) -> Value<'b> {
        let x = self.clip.map_or(x, |clip| x.clamp(-clip, clip));
        self.functions[number].of(x)
    }

    fn part<'b>(&self, all: Value<'b>, number: usize) -> Value<'b> {
        all.slice(-1, number * self.hidden..(number + 1) * self.hidden, 1)
    }

    /// The states behind a step, from the part of its sums that follows from the input, and the states before it.
    fn next<'b>(&self, projected: Value<'b>, states: &[Value<'b>], weights: &Weights<'b>) -> Vec<Value<'b>> {
        let h = states[0];
        let rows = |from: usize, to: usize| weights.state.slice(0, from * self.hidden..to * self.hidden, 1);
        let product = |matrix: Value<'b>| product(h, matrix, weights.whole);
        match self.kind {
            Kind::Rnn => vec![self.activated(0, projected + product(weights.state))],
            Kind::Gru => {
                // Update, reset, hidden.
                let bias = |number: usize| weights.bias.map(|bias| self.part(bias, number));
                let plus = |x: Value<'b>, bias: Option<Value<'b>>| bias.map_or(x, |bias| x + bias);
                if self.reset_last {
                    let all = product(weights.state);
                    let [z, r] =
                        [0, 1].map(|number| self.activated(0, self.part(projected, number) + self.part(all, number)));
                    let of_state = plus(self.part(all, 2), bias(2));
                    let n = self.activated(1, self.part(projected, 2) + r * of_state);
                    return vec![n + z * (h - n)];
                }
                let gates = product(rows(0, 2));
                let [z, r] =
                    [0, 1].map(|number| self.activated(0, self.part(projected, number) + self.part(gates, number)));
                let of_state = plus((r * h).matmul(rows(2, 3).transpose(0, 1)), bias(2));
                let n = self.activated(1, self.part(projected, 2) + of_state);
                vec![n + z * (h - n)]
            }
            Kind::Lstm => {
                // Input, output, forget, cell.
                let c = states[1];
                let sum = projected + product(weights.state);
                let peep = |x: Value<'b>, number: usize, c: Value<'b>| {
                    weights.peepholes.map_or(x, |all| x + self.part(all, number) * c)
                };
                let f = self.activated(0, peep(self.part(sum, 2), 2, c));
                let i = if self.coupled { 1.0 - f } else { self.activated(0, peep(self.part(sum, 0), 0, c)) };
                let new = f * c + i * self.activated(1, self.part(sum, 3));
                let o = self.activated(0, peep(self.part(sum, 1), 1, new));
                vec![o * self.functions[2].of(new), new]
            }
        }
    }
}

fn expect(c: &Context<'_, '_>, position: usize, expected: &[usize]) -> Result<(), Fault> {
    expect_shape(position, c.shape(position)?, expected)
}

fn expect_shape(position: usize, found: Shape, expected: &[usize]) -> Result<(), Fault> {
    if found.dims() != expected {
        return Err(Fault::invalid(format!("input {position} should have the shape {expected:?}, but has {found}")));
    }
    Ok(())
}

/// Weights of whole numbers `[directions, columns, rows]` as `[directions, rows, columns]` less their zero point, and their
/// scale: a number for each direction, or for each row.
fn whole<'g>(c: &Context<'_, 'g>, position: usize, scale: usize) -> Result<(Value<'g>, Option<Whole<'g>>), Fault> {
    let weight = c.number(position)?;
    let shape = weight.shape();
    if shape.rank() != 3 {
        return Err(Fault::invalid(format!("weights of the shape {shape}")));
    }
    let spread = |x: Value<'g>| match x.shape().dims() {
        [directions] if *directions == shape.dim(0) => Ok(x.reshape([*directions, 1, 1])),
        [directions, rows] if *directions == shape.dim(0) && *rows == shape.dim(2) => {
            Ok(x.reshape([*directions, 1, *rows]))
        }
        _ => Err(Fault::invalid(format!("{} for weights of the shape {shape}", x.shape()))),
    };
    let of_rows = [shape.dim(0), 1, shape.dim(2)];
    let zero = match zero_point(c, scale + 1)? {
        Some(zero) => Some(spread(zero)?.broadcast_to(of_rows)),
        None => None,
    };
    let scale = spread(c.float(scale)?)?.broadcast_to(of_rows);
    let Factor { numbers, zero } = factor_of(c, position, weight, zero)?;
    // What is one number for all was made one by the type.
    let zero = zero.map(|zero| zero.broadcast_to(of_rows));
    Ok((numbers.transpose(1, 2), Some(Whole { scale, zero })))
}

fn recurrent<'g>(c: &Context<'_, 'g>, kind: Kind) -> Results<'g> {
    let batch_first = c.version() >= 14 && c.flag("layout", false)?;
    let x = c.float(0)?;
    if x.shape().rank() != 3 {
        return Err(Fault::invalid(format!("sequences of 3 axes are expected, but the shape is {}", x.shape())));
    }
    let x = if batch_first { x.transpose(0, 1) } else { x };
    let [length, batch, inputs] = [0, 1, 2].map(|axis| x.shape().dim(axis));
    // Of whole numbers the axes are the other way round.
    let quantised = c.node.operator.contains('.');
    let weights = |position: usize, scale: usize| {
        if quantised { whole(c, position, scale) } else { Ok((c.float(position)?, None)) }
    };
    let ((weight, weight_scale), (recurrence, recurrence_scale)) = (weights(1, 8)?, weights(2, 10)?);
    let hidden = match c.int_of("hidden_size")? {
        Some(number) => extent(number)?,
        None if recurrence.shape().rank() == 3 => recurrence.shape().dim(2),
        None => 0,
    };
    let (reversed, directions): (&[bool], usize) = match c.text("direction", "forward")? {
        "forward" => (&[false], 1),
        "reverse" => (&[true], 1),
        "bidirectional" => (&[false, true], 2),
        other => return Err(Fault::invalid(format!("`direction` is `{other}`"))),
    };
    let rows = kind.gates().saturating_mul(hidden);
    expect_shape(1, weight.shape(), &[directions, rows, inputs])?;
    expect_shape(2, recurrence.shape(), &[directions, rows, hidden])?;
    if hidden == 0 {
        return Err(Fault::invalid("`hidden_size` is 0"));
    }
    if c.has(3) {
        expect(c, 3, &[directions, 2 * rows])?;
    }
    if c.has(7) && kind == Kind::Lstm {
        expect(c, 7, &[directions, 3 * hidden])?;
    }
    let starts = starts(c, kind, batch_first, [directions, batch, hidden])?;
    let lengths = c.optional(4)?.filter(|_| !full_lengths(c, length));
    if let Some(lengths) = lengths
        && (lengths.dtype() != DType::I32 || lengths.shape() != Shape::new(&[batch]))
    {
        return Err(Fault::invalid(format!("the lengths of sequences should be {batch} whole numbers")));
    }
    let all_functions = functions_of(c, kind, directions)?;
    let (mut outputs, mut last) = (Vec::new(), vec![Vec::new(); starts.len()]);
    for (direction, functions) in all_functions.into_iter().enumerate() {
        let step = Step {
            kind,
            hidden,
            functions,
            clip: c.float_of("clip")?,
            coupled: kind == Kind::Lstm && c.flag("input_forget", false)?,
            reset_last: kind == Kind::Gru && c.flag("linear_before_reset", false)?,
        };
        let own = |position: usize, extents: &[usize]| -> Result<Value<'g>, Fault> {
            Ok(c.float(position)?.slice(0, direction..direction + 1, 1).reshape(extents))
        };
        let weight = weight.slice(0, direction..direction + 1, 1).reshape([rows, inputs]);
        let recurrence = recurrence.slice(0, direction..direction + 1, 1).reshape([rows, hidden]);
        let bias = if c.has(3) { Some(own(3, &[2 * rows])?) } else { None };
        let peepholes = if c.has(7) && kind == Kind::Lstm { Some(own(7, &[3 * hidden])?) } else { None };
        let of_state = bias.map(|bias| bias.slice(0, rows..2 * rows, 1));
        let in_front = bias.zip(of_state).map(|(bias, of_state)| {
            let of_inputs = bias.slice(0, 0..rows, 1);
            match kind {
                Kind::Rnn | Kind::Lstm => of_inputs + of_state,
                // The last gate's is within a product.
                Kind::Gru => of_inputs + c.g.iota([rows], 0).lt((2 * hidden) as i32).select(of_state, 0.0),
            }
        });
        let one = |all: Value<'g>| all.slice(0, direction..direction + 1, 1).reshape([rows]);
        let whole_of = |whole: Option<Whole<'g>>| {
            whole.map(|Whole { scale, zero }| Whole { scale: one(scale), zero: zero.map(one) })
        };
        let projected = match whole_of(weight_scale) {
            None => kiln_graph::layers::linear::linear(x, weight, in_front),
            Some(whole) => {
                let sums = product(x, weight, Some(whole));
                in_front.map_or(sums, |bias| sums + bias)
            }
        };
        let before: Vec<Value<'g>> =
            starts.iter().map(|start| start.slice(0, direction..direction + 1, 1).reshape([batch, hidden])).collect();
        let bias = of_state.filter(|_| kind == Kind::Gru);
        let inner = Inner { recurrence, bias, peepholes, lengths, whole: whole_of(recurrence_scale) };
        let (y, states) = loop_over(c.g, &step, projected, &before, &inner, reversed[direction]);
        outputs.push(y.unsqueeze(1));
        last.iter_mut().zip(states).for_each(|(list, state)| list.push(state.unsqueeze(0)));
    }
    let all = |list: &[Value<'g>], axis: usize| c.g.concat(list, axis);
    // [length, directions, batch, hidden]
    let y = all(&outputs, 1);
    let y = if batch_first { y.permute(&[2, 0, 1, 3]) } else { y };
    let mut results = vec![y];
    results.extend(last.iter().map(|list| {
        let state = all(list, 0);
        if batch_first { state.transpose(0, 1) } else { state }
    }));
    let element = c.element(0)?;
    Ok(results.into_iter().map(|value| c.typed(value, element)).collect())
}

/// Whether all sequences are known to be as long as there are steps.
fn full_lengths(c: &Context<'_, '_>, length: usize) -> bool {
    let known = c.tensor(4).ok().and_then(|tensor| tensor.constant()?.whole());
    known.is_some_and(|lengths| lengths.iter().all(|&own| own == length as i64))
}

/// The states before the first step, `[directions, batch, hidden]`.
fn starts<'g>(
    c: &Context<'_, 'g>,
    kind: Kind,
    batch_first: bool,
    extents: [usize; 3],
) -> Result<Vec<Value<'g>>, Fault> {
    let [directions, batch, hidden] = extents;
    let positions: &[usize] = if kind == Kind::Lstm { &[5, 6] } else { &[5] };
    let mut starts = Vec::new();
    for &position in positions {
        starts.push(if !c.has(position) {
            c.g.full(extents, 0.0)
        } else if batch_first {
            expect(c, position, &[batch, directions, hidden])?;
            c.float(position)?.transpose(0, 1)
        } else {
            expect(c, position, &extents)?;
            c.float(position)?
        });
    }
    Ok(starts)
}

/// The functions of each direction.
fn functions_of(c: &Context<'_, '_>, kind: Kind, directions: usize) -> Result<Vec<Vec<Function>>, Fault> {
    let usual = kind.functions();
    let names = match c.texts_of("activations")? {
        Some(names) if !names.is_empty() => names,
        _ => usual.repeat(directions).into_iter().map(str::to_owned).collect(),
    };
    if names.len() != usual.len() * directions {
        return Err(Fault::invalid(format!("{} activations for {directions} directions", names.len())));
    }
    let mut alphas = c.floats_of("activation_alpha")?.unwrap_or_default().into_iter();
    let mut betas = c.floats_of("activation_beta")?.unwrap_or_default().into_iter();
    let each = |list: &[String]| {
        list.iter().map(|name| Function::find(name, &mut alphas, &mut betas)).collect::<Result<Vec<_>, _>>()
    };
    names.chunks(usual.len()).map(each).collect()
}

/// What the loop reads in each step.
struct Inner<'g> {
    recurrence: Value<'g>,
    bias: Option<Value<'g>>,
    peepholes: Option<Value<'g>>,
    lengths: Option<Value<'g>>,
    whole: Option<Whole<'g>>,
}

/// The outputs of all steps, `[length, batch, hidden]`, and the states behind the last one. A sequence that is shorter than
/// others has zeros behind its end, and the states of its last step.
fn loop_over<'g>(
    g: &'g Builder,
    step: &Step,
    projected: Value<'g>,
    before: &[Value<'g>],
    inner: &Inner<'g>,
    reverse: bool,
) -> (Value<'g>, Vec<Value<'g>>) {
    let [length, batch, rows] = [0, 1, 2].map(|axis| projected.shape().dim(axis));
    let body = g.body("step");
    let mut operands = vec![projected];
    let row = body.input("x", [batch, rows]);
    let number = inner.lengths.map(|_| {
        operands.push(g.iota([length], 0));
        body.input_of("number", Type::i32([]))
    });
    let state = |name: &str, value: Value<'g>, operands: &mut Vec<Value<'g>>| {
        operands.push(value);
        body.state(name, value.ty())
    };
    let states: Vec<Value<'_>> =
        ["h", "c"].iter().zip(before).map(|(name, &value)| state(name, value, &mut operands)).collect();
    let weights = Weights {
        state: state("weight", inner.recurrence, &mut operands),
        bias: inner.bias.map(|bias| state("bias", bias, &mut operands)),
        peepholes: inner.peepholes.map(|peepholes| state("peepholes", peepholes, &mut operands)),
        whole: inner.whole.map(|whole| Whole {
            scale: state("scale", whole.scale, &mut operands),
            zero: whole.zero.map(|zero| state("zero", zero, &mut operands)),
        }),
    };
    let lengths = inner.lengths.map(|lengths| state("lengths", lengths, &mut operands));
    let mut new = step.next(row, &states, &weights);
    let mut output = new[0];
    if let Some((number, lengths)) = number.zip(lengths) {
        let goes_on = lengths.gt(number).unsqueeze(1);
        output = goes_on.select(new[0], 0.0);
        new = new.iter().zip(&states).map(|(&new, &old)| goes_on.select(new, old)).collect();
    }
    states.iter().zip(&new).for_each(|(&state, &new)| body.carry(state, new));
    body.output("y", output);
    let count = states.len();
    drop((states, new));
    let results = g.scan(body, &operands, length, reverse);
    (results[count], results[..count].to_vec())
}
