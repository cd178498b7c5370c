//! Operations one by one, each as the operator of ONNX that computes it, or a few. It knows one node at a time.

use std::collections::HashMap;

use kiln_graph::interpret::interpret;
use kiln_graph::op::{ArgOp, Convolution, MAX_SPATIAL, PadSpec, ReduceOp, SliceSpec, Sliding, Window, WindowOp};
use kiln_graph::{Builder, DType, NodeId, Op};

use super::error::WriteError;
use super::level::extents;
use super::numbers::Number;
use super::protos::{self, node};
use super::writer::Writer;
use crate::proto::NodeProto;
use crate::proto::tensor_proto::DataType;

/// As the end of a slice: up to the last element.
const END: i64 = i64::MAX;

impl Writer<'_> {
    /// What must be there before an operation is written.
    pub(super) fn operands(&self, id: NodeId) -> Result<Vec<NodeId>, WriteError> {
        match self.level().node(id).op {
            Op::Binary(_) | Op::Compare(_) | Op::Select => self.plain_operands(id),
            Op::Random { .. } => {
                self.drawn_once(id)?;
                Ok(Vec::new())
            }
            _ => Ok(self.level().node(id).inputs.to_vec()),
        }
    }

    /// Writes an operation whose operands are there; the name of its result.
    pub(super) fn write_operation(&mut self, id: NodeId) -> Result<String, WriteError> {
        let node_of = self.level().node(id);
        let operands: Vec<NodeId> = node_of.inputs.to_vec();
        // The names of operands that are there; an elementwise operation takes others.
        let name = |at: usize| self.level().values.get(&operands[at]).cloned().unwrap_or_default();
        let names: Vec<String> = (0..operands.len()).map(name).collect();
        Ok(match &node_of.op {
            Op::Input => return self.write_input(id),
            Op::Constant(_) => return self.write_constant(id),
            Op::Iota { axis, .. } => return self.write_iota(id, *axis),
            Op::Unary(function) => self.write_unary(id, *function),
            Op::Binary(function) => return self.write_binary(id, *function),
            Op::Compare(function) => return self.write_compare(id, *function),
            Op::Select => return self.write_select(id),
            Op::Convert(dtype) => self.write_convert(id, *dtype),
            Op::Reduce { op, axes } => {
                let op_type = match op {
                    ReduceOp::Sum => "ReduceSum",
                    ReduceOp::Prod => "ReduceProd",
                    ReduceOp::Max => "ReduceMax",
                    ReduceOp::Min => "ReduceMin",
                };
                let axes: Vec<i64> = axes.iter().map(|axis| axis as i64).collect();
                let axes = self.int_list(&axes);
                self.push(node(op_type, &[&names[0], &axes]).int("keepdims", 0).int("noop_with_empty_axes", 1))
            }
            Op::ArgReduce { op, axis } => {
                let op_type = match op {
                    ArgOp::Max => "ArgMax",
                    ArgOp::Min => "ArgMin",
                };
                let place = self.push(node(op_type, &[&names[0]]).int("axis", *axis as i64).int("keepdims", 0));
                self.cast(&place, DataType::Int32)
            }
            Op::Dot => self.push(node("MatMul", &[&names[0], &names[1]])),
            Op::Conv(conv) => {
                self.level().fixed(id)?;
                self.push(
                    sliding(node("Conv", &[&names[0], &names[1]]), &conv.sliding).int("group", conv.groups as i64),
                )
            }
            Op::ConvGradInput { conv, input } => return self.write_transposed(id, conv, input, &names),
            Op::WindowReduce { op, window } => {
                self.level().fixed(id)?;
                return self.write_windows(id, *op, window, &names[0]);
            }
            Op::WindowArgMax(window) => {
                self.level().fixed(id)?;
                return self.write_window_places(operands[0], window, &names[0]);
            }
            Op::Reshape(_) => return self.write_reshape(&names[0], operands[0], id),
            Op::Transpose(permutation) => {
                let order = permutation[..self.rank(id)].iter().map(|&axis| i64::from(axis));
                self.push(node("Transpose", &[&names[0]]).ints("perm", order))
            }
            Op::Broadcast(_) => {
                let dims = self.dims(id)?;
                let shape = self.int_tensor(&dims);
                self.push(node("Expand", &[&names[0], &shape]))
            }
            Op::Slice(_) => return self.write_slice(id, &names[0]),
            Op::Pad(_) => return self.write_pad(id, &names),
            Op::Concat { axis } => {
                let names: Vec<&str> = names.iter().map(String::as_str).collect();
                self.push(node("Concat", &names).int("axis", *axis as i64))
            }
            Op::Reverse(axes) => {
                let axes: Vec<i64> = axes.iter().map(|axis| axis as i64).collect();
                let all = |number: i64| vec![number; axes.len()];
                let lists = [all(-1), all(i64::MIN), axes.clone(), all(-1)].map(|list| self.int_list(&list));
                self.push(node("Slice", &[&names[0], &lists[0], &lists[1], &lists[2], &lists[3]]))
            }
            Op::Gather { axis } => {
                let extent = self.dims(operands[0])?.swap_remove(*axis);
                let indices = self.clamped(&names[1], &extent);
                self.push(node("GatherElements", &[&names[0], &indices]).int("axis", *axis as i64))
            }
            Op::TakeRows => {
                let extent = self.dims(operands[0])?.swap_remove(0);
                let indices = self.clamped(&names[1], &extent);
                self.push(node("Gather", &[&names[0], &indices]).int("axis", 0))
            }
            Op::ScatterAdd { axis, .. } => {
                let (zeros, dims) = (self.zeros(id)?, self.dims(id)?);
                let indices = self.clamped(&names[0], &dims[*axis]);
                let scatter = node("ScatterElements", &[&zeros, &indices, &names[1]]);
                self.push(scatter.int("axis", *axis as i64).string("reduction", "add"))
            }
            Op::ScatterRows { .. } => {
                let (zeros, dims) = (self.zeros(id)?, self.dims(id)?);
                let indices = self.clamped(&names[0], &dims[0]);
                let (indices, last) = (self.cast(&indices, DataType::Int64), self.int_list(&[-1]));
                let places = self.push(node("Unsqueeze", &[&indices, &last]));
                self.push(node("ScatterND", &[&zeros, &places, &names[1]]).string("reduction", "add"))
            }
            Op::Detach => names[0].clone(),
            Op::Scan { .. } => return self.write_scan(id),
            Op::ScanResult { index } => {
                return Ok(self.scan_results[&(self.depth(), operands[0])][*index as usize].clone());
            }
            Op::Random { .. } => return self.write_random(id),
            Op::Exchange { .. }
            | Op::ConvGradWeight { .. }
            | Op::WindowMaxGrad(_)
            | Op::WindowMaxPick(_)
            | Op::WindowSumGrad { .. } => {
                return Err(self.level().no_form(id, "it is part of a gradient"));
            }
        })
    }

    pub(super) fn cast(&mut self, x: &str, to: DataType) -> String {
        self.push(node("Cast", &[x]).int("to", to as i64))
    }

    /// Indices, of which those outside are moved to the border.
    fn clamped(&mut self, indices: &str, extent: &Number) -> String {
        let zero = self.scalar(DType::I32, 0.0);
        let last = match extent.value() {
            Some(extent) => self.scalar(DType::I32, (extent - 1) as f64),
            None => {
                let (extent, one) = (self.scalar_extent(extent, DataType::Int32), self.scalar(DType::I32, 1.0));
                self.push(node("Sub", &[&extent, &one]))
            }
        };
        self.push(node("Clip", &[indices, &zero, &last]))
    }

    /// A number that follows from free extents, without axes.
    fn scalar_extent(&mut self, number: &Number, ty: DataType) -> String {
        let (extent, first) = (self.extent(number), self.int_list(&[0]));
        let scalar = self.push(node("Squeeze", &[&extent, &first]));
        if ty == DataType::Int64 { scalar } else { self.cast(&scalar, ty) }
    }

    /// A constant, which may follow from free extents, as the divisor of a mean does.
    fn write_constant(&mut self, id: NodeId) -> Result<String, WriteError> {
        let dtype = self.dtype(id);
        let constants: Vec<f64> = self.level().each(id).map(|(graph, id)| constant(&graph.node(id).op)).collect();
        if constants.iter().all(|other| other.to_bits() == constants[0].to_bits()) {
            return Ok(self.scalar(dtype, constants[0]));
        }
        let whole = |numbers: Vec<f64>| -> Option<Number> {
            let numbers: Option<Vec<i64>> = numbers
                .into_iter()
                .map(|number| (number.round() == number && number.abs() < 1e15).then_some(number as i64))
                .collect();
            self.source.sizes.fit(&numbers?)
        };
        let unknown = WriteError::Extent { at: self.level().at(id) };
        if let Some(number) = whole(constants.clone()) {
            return Ok(self.scalar_extent(&number, protos::data_type(dtype)));
        }
        let inverse = |number: &f64| {
            let whole = (1.0 / number).round();
            if (whole * number - 1.0).abs() < 1e-12 { whole } else { f64::NAN }
        };
        let number = whole(constants.iter().map(inverse).collect()).ok_or(unknown)?;
        let divisor = self.scalar_extent(&number, DataType::Float);
        Ok(self.push(node("Reciprocal", &[&divisor])))
    }

    /// The step of random numbers that are the same in every run, and their shape.
    fn drawn_once(&self, id: NodeId) -> Result<(f64, Vec<i64>), WriteError> {
        let step = match self.level().node(id).inputs[..] {
            [step] => constant(&self.level().node(step).op),
            _ => f64::NAN,
        };
        let dims: Option<Vec<i64>> = self.dims(id)?.iter().map(Number::value).collect();
        let why = "its numbers are of Kiln's own generator; let the network take them as an input";
        dims.filter(|_| !step.is_nan()).map(|dims| (step, dims)).ok_or_else(|| self.level().no_form(id, why))
    }

    /// Random numbers that are the same in every run: as what they are.
    fn write_random(&mut self, id: NodeId) -> Result<String, WriteError> {
        let (step, dims) = self.drawn_once(id)?;
        let g = Builder::new("drawn");
        g.output("drawn", g.apply(self.level().node(id).op.clone(), &[g.scalar_of(DType::I32, step)]));
        let graph = g.finish().expect("the shape holds in the model's graph, too");
        let results = interpret::<f32>(&graph, &HashMap::new()).expect("it has no inputs");
        let bytes = results.outputs["drawn"].to_f64().into_iter().flat_map(|number| (number as f32).to_le_bytes());
        Ok(self.constant(DataType::Float, &dims, bytes.collect()))
    }

    /// `0, 1, ..` along an axis, then repeated along the others.
    fn write_iota(&mut self, id: NodeId, axis: usize) -> Result<String, WriteError> {
        let dims = self.dims(id)?;
        let mut line = vec![1; dims.len()];
        line[axis] = -1;
        let name = match dims[axis].value() {
            Some(extent) => {
                line[axis] = extent;
                let bytes = (0..extent as i32).flat_map(i32::to_le_bytes).collect();
                self.constant(DataType::Int32, &line, bytes)
            }
            None => {
                let [zero, one] = [0.0, 1.0].map(|number| self.scalar(DType::I32, number));
                let extent = self.scalar_extent(&dims[axis], DataType::Int32);
                let (range, line) = (self.push(node("Range", &[&zero, &extent, &one])), self.int_list(&line));
                self.push(node("Reshape", &[&range, &line]))
            }
        };
        if dims.iter().enumerate().all(|(other, extent)| other == axis || extent.value() == Some(1)) {
            return Ok(name);
        }
        let shape = self.int_tensor(&dims);
        Ok(self.push(node("Expand", &[&name, &shape])))
    }

    /// A value under the shape of another node. Extents that are free are those of the same axis before (0), one that
    /// follows from the others (-1), or computed.
    pub(super) fn write_reshape(&mut self, x: &str, from: NodeId, to: NodeId) -> Result<String, WriteError> {
        let (before, mut after) = (self.dims(from)?, self.dims(to)?);
        for (axis, extent) in after.iter_mut().enumerate() {
            if extent.value().is_none() && before.get(axis) == Some(extent) {
                *extent = Number::known(0);
            }
        }
        let open: Vec<usize> = (0..after.len()).filter(|&axis| after[axis].value().is_none()).collect();
        if let [axis] = open[..] {
            after[axis] = Number::known(-1);
        }
        let shape = self.int_tensor(&after);
        Ok(self.push(node("Reshape", &[x, &shape])))
    }

    fn write_slice(&mut self, id: NodeId, x: &str) -> Result<String, WriteError> {
        let operand = self.level().node(id).inputs[0];
        let (rank, dims) = (self.rank(id), self.dims(operand)?);
        let of = |part: fn(&SliceSpec) -> [usize; 8]| {
            self.level().numbers(id, self.source.sizes, move |node| match &node.op {
                Op::Slice(slice) => extents(&part(slice)[..rank]),
                _ => Vec::new(),
            })
        };
        let [starts, limits, steps] = [of(|slice| slice.start)?, of(|slice| slice.limit)?, of(|slice| slice.step)?];
        let is_whole = |&axis: &usize| {
            starts[axis].value() == Some(0) && limits[axis] == dims[axis] && steps[axis].value() == Some(1)
        };
        let axes: Vec<usize> = (0..rank).filter(|axis| !is_whole(axis)).collect();
        let end = |&axis: &usize| if limits[axis] == dims[axis] { Number::known(END) } else { limits[axis].clone() };
        let ends: Vec<Number> = axes.iter().map(end).collect();
        let part = |all: &[Number]| axes.iter().map(|&axis| all[axis].clone()).collect::<Vec<Number>>();
        let lists = [part(&starts), ends, axes.iter().map(|&axis| Number::known(axis as i64)).collect(), part(&steps)];
        let names = lists.map(|list| self.int_tensor(&list));
        Ok(self.push(node("Slice", &[x, &names[0], &names[1], &names[2], &names[3]])))
    }

    fn write_pad(&mut self, id: NodeId, names: &[String]) -> Result<String, WriteError> {
        let rank = self.rank(id);
        let sides = self.level().numbers(id, self.source.sizes, move |node| match &node.op {
            Op::Pad(pad) => {
                let PadSpec { low, high } = **pad;
                extents(&[&low[..rank], &high[..rank]].concat())
            }
            _ => Vec::new(),
        })?;
        let sides = self.int_tensor(&sides);
        Ok(self.push(node("Pad", &[&names[0], &sides, &names[1]]).string("mode", "constant")))
    }

    /// A convolution's gradient in its input is a transposed convolution, of given extents.
    fn write_transposed(
        &mut self,
        id: NodeId,
        conv: &Convolution,
        input: &[usize; MAX_SPATIAL],
        names: &[String],
    ) -> Result<String, WriteError> {
        self.level().fixed(id)?;
        let graph = self.level().graph();
        let [gradient, weight] = [0, 1].map(|operand| graph.shape(graph.node(id).inputs[operand]));
        let more = (0..conv.sliding.spatial).map(|axis| {
            let (low, high) = conv.sliding.padding[axis];
            let span = conv.sliding.dilation[axis] * (weight.dim(axis + 2) - 1) + 1;
            let reached = (gradient.dim(axis + 2) - 1) * conv.sliding.stride[axis] + span;
            input[axis] as i64 - (reached as i64 - (low + high) as i64)
        });
        let more: Vec<i64> = more.collect();
        if more.iter().any(|&more| more < 0) {
            return Err(self.level().no_form(id, "it cuts off more than its padding"));
        }
        let transposed = sliding(node("ConvTranspose", &[&names[0], &names[1]]), &conv.sliding);
        Ok(self.push(transposed.int("group", conv.groups as i64).ints("output_padding", more)))
    }

    /// Maxima and sums of windows. A sum is an average times the number of elements, over an image that is padded
    /// before.
    fn write_windows(&mut self, id: NodeId, op: WindowOp, window: &Window, x: &str) -> Result<String, WriteError> {
        if op == WindowOp::Max {
            return Ok(self.push(pooling("MaxPool", x, window)));
        }
        let graph = self.level().graph();
        let (operand, spatial) = (graph.node(id).inputs[0], window.sliding.spatial);
        let rank = spatial + 2;
        let mut sides = vec![0; 2 * rank];
        for axis in 0..spatial {
            let (low, high) = window.sliding.padding[axis];
            let span = window.sliding.dilation[axis] * (window.kernel[axis] - 1) + 1;
            let (before, after) = (graph.shape(operand).dim(axis + 2), graph.shape(id).dim(axis + 2));
            // The last window may end behind the padding.
            let needed = (after - 1) * window.sliding.stride[axis] + span;
            let high = if window.ceil { high.max(needed.saturating_sub(low + before)) } else { high };
            (sides[axis + 2], sides[rank + axis + 2]) = (low as i64, high as i64);
        }
        if window.ceil && !self.dims(operand)?.iter().skip(2).all(|extent| extent.value().is_some()) {
            return Err(WriteError::Extent { at: self.level().at(id) });
        }
        let mut padded = x.to_owned();
        if sides.iter().any(|&side| side > 0) {
            let (sides, zero) = (self.int_list(&sides), self.scalar(DType::F32, 0.0));
            padded = self.push(node("Pad", &[x, &sides, &zero]));
        }
        let bare = Sliding { padding: [(0, 0); MAX_SPATIAL], ..window.sliding };
        let average = self.push(pooling("AveragePool", &padded, &Window { sliding: bare, ceil: false, ..*window }));
        let count = self.scalar(DType::F32, window.kernel[..spatial].iter().product::<usize>() as f64);
        Ok(self.push(node("Mul", &[&average, &count])))
    }

    /// The places of maxima: ONNX's count through the whole tensor, Kiln's within a channel.
    fn write_window_places(&mut self, operand: NodeId, window: &Window, x: &str) -> Result<String, WriteError> {
        let [values, places] = self.result_names(["values", "places"]);
        self.push_as(pooling("MaxPool", x, window), vec![values, places.clone()]);
        let numbers = self.level().numbers(operand, self.source.sizes, |node| {
            vec![node.ty.shape.dims()[2..].iter().product::<usize>() as i64]
        })?;
        let count = self.extent(&numbers[0]);
        let within = self.push(node("Mod", &[&places, &count]));
        Ok(self.cast(&within, DataType::Int32))
    }

    /// Zeros of a node's type.
    fn zeros(&mut self, id: NodeId) -> Result<String, WriteError> {
        let (dims, zero) = (self.dims(id)?, self.scalar(self.dtype(id), 0.0));
        let shape = self.int_tensor(&dims);
        Ok(self.push(node("Expand", &[&zero, &shape])))
    }
}

/// The number of a constant.
fn constant(op: &Op) -> f64 {
    match op {
        Op::Constant(scalar) => scalar.0,
        _ => f64::NAN,
    }
}

/// A node with the attributes of a sliding window.
pub(super) fn sliding(node: NodeProto, sliding: &Sliding) -> NodeProto {
    let spatial = ..sliding.spatial;
    let numbers = |list: &[usize]| list.iter().map(|&number| number as i64).collect::<Vec<i64>>();
    let sides = sliding.padding[spatial].iter();
    let pads: Vec<usize> = sides.clone().map(|side| side.0).chain(sides.map(|side| side.1)).collect();
    node.ints("strides", numbers(&sliding.stride[spatial]))
        .ints("pads", numbers(&pads))
        .ints("dilations", numbers(&sliding.dilation[spatial]))
}

/// A pooling.
pub(super) fn pooling(op_type: &str, x: &str, window: &Window) -> NodeProto {
    let kernel = window.kernel[..window.sliding.spatial].iter().map(|&extent| extent as i64);
    sliding(node(op_type, &[x]).ints("kernel_shape", kernel), &window.sliding).int("ceil_mode", i64::from(window.ceil))
}
