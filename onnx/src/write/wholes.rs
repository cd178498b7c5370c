//! Layers and functions of several operations, each as the operator of ONNX that is the same; what has none is written
//! operation by operation. It looks at what was noted, never at the operations within.

use kiln_graph::layers::UpsampleMode;
use kiln_graph::layers::grid_sample::{GridMode, GridPadding};
use kiln_graph::layers::padding::PaddingMode;
use kiln_graph::op::{Axes, MAX_SPATIAL};
use kiln_graph::whole::{Curve, Fold, Noted, Whole};
use kiln_graph::{DType, NodeId};

use super::error::WriteError;
use super::numbers::Number;
use super::primitives::{pooling, sliding};
use super::protos::node;
use super::writer::Writer;
use crate::proto::tensor_proto::DataType;

impl<'a> Writer<'a> {
    /// What a value is written as, if there is an operator for it.
    pub(super) fn whole(&self, id: NodeId) -> Option<&'a Noted> {
        self.whole_in_each(id).map(|noted| noted[0])
    }

    /// [`Writer::whole`] in each graph.
    pub(super) fn whole_in_each(&self, id: NodeId) -> Option<Vec<&'a Noted>> {
        self.level().wholes(id).find(|noted| self.has_operator(noted[0]))
    }

    /// Whether an operator of ONNX computes the same.
    fn has_operator(&self, noted: &Noted) -> bool {
        let x = noted.operands[0].expect("the first operand is there");
        let dims = |id: NodeId| self.level().node(id).ty.shape;
        match noted.whole {
            Whole::Conv(_)
            | Whole::ConvTranspose { .. }
            | Whole::Linear
            | Whole::MatMul
            | Whole::BatchNorm { .. }
            | Whole::LayerNorm { .. }
            | Whole::RmsNorm { .. }
            | Whole::GroupNorm { .. }
            | Whole::Softmax { .. }
            | Whole::LogSoftmax { .. }
            | Whole::RunningSum { .. }
            | Whole::MaxPool(_)
            | Whole::Embedding
            | Whole::Pad { .. }
            | Whole::GridSample { .. }
            | Whole::Sort { .. }
            | Whole::PRelu => true,
            // An even number of channels lies on the other side.
            Whole::LocalResponseNorm { size, .. } => size % 2 == 1,
            Whole::Fold { axes, .. } => !axes.is_empty(),
            // Windows that end behind the padding are counted in other ways.
            Whole::AvgPool { window, .. } => !window.ceil,
            Whole::Upsample { mode, .. } => mode != UpsampleMode::Area,
            Whole::PixelShuffle { .. } => dims(x).rank() == 4,
            Whole::Recurrent { step, .. } => self.writes_recurrent(noted, step),
            Whole::Curve(Curve::Relu) => self.dtype(x) == DType::F32,
            Whole::Curve(_) => true,
        }
    }

    /// The values that must be there before.
    pub(super) fn operands_of_whole(&self, noted: &Noted) -> Vec<NodeId> {
        match noted.whole {
            // The weights become constants of another order.
            Whole::Recurrent { step, .. } => self.sequence_and_states(noted, step),
            _ => noted.operands.iter().flatten().copied().collect(),
        }
    }

    /// Writes it; the names of its results.
    pub(super) fn write_whole(&mut self, noted: &Noted, id: NodeId) -> Result<Vec<String>, WriteError> {
        if let Whole::Recurrent { step, bidirectional, batch_first } = noted.whole {
            return self.write_recurrent(noted, step, bidirectional, batch_first);
        }
        let name = |operand: &Option<NodeId>| operand.map_or(String::new(), |id| self.value(id).to_owned());
        let names: Vec<String> = noted.operands.iter().map(name).collect();
        let at = |place: usize| names.get(place).map_or("", String::as_str);
        let x = noted.operands[0].expect("the first operand is there");
        let channels = |axis: usize| self.level().node(x).ty.shape.dim(axis);
        Ok(vec![match noted.whole {
            Whole::Conv(conv) => {
                let conv_node = sliding(node("Conv", &[at(0), at(1), at(2)]), &conv.sliding);
                self.push_main(conv_node.int("group", conv.groups as i64))
            }
            Whole::ConvTranspose { conv, output_padding } => {
                let more = output_padding[..conv.sliding.spatial].iter().map(|&more| more as i64);
                let transposed = sliding(node("ConvTranspose", &[at(0), at(1), at(2)]), &conv.sliding);
                self.push_main(transposed.int("group", conv.groups as i64).ints("output_padding", more))
            }
            Whole::Linear if self.rank(x) == 2 => self.push_main(node("Gemm", &[at(0), at(1), at(2)]).int("transB", 1)),
            Whole::Linear => {
                let weight = self.push(node("Transpose", &[at(1)]).ints("perm", [1, 0]));
                let product = self.push_main(node("MatMul", &[at(0), &weight]));
                if at(2).is_empty() { product } else { self.push(node("Add", &[&product, at(2)])) }
            }
            Whole::MatMul => self.push_main(node("MatMul", &[at(0), at(1)])),
            Whole::BatchNorm { eps } => {
                let (weight, bias) = self.affine(at(1), at(2), channels(1));
                let inputs = [at(0), &weight, &bias, at(3), at(4)];
                self.push_main(node("BatchNormalization", &inputs).float("epsilon", eps))
            }
            Whole::LayerNorm { axis, eps } => {
                let weight = match at(1) {
                    "" => self.ones_like(x, axis)?,
                    weight => weight.to_owned(),
                };
                let norm = node("LayerNormalization", &[at(0), &weight, at(2)]);
                self.push_main(norm.int("axis", axis as i64 - self.rank(x) as i64).float("epsilon", eps))
            }
            Whole::RmsNorm { axis, eps } => {
                let weight = match at(1) {
                    "" => self.ones_like(x, axis)?,
                    weight => weight.to_owned(),
                };
                let norm = node("RMSNormalization", &[at(0), &weight]);
                self.push_main(norm.int("axis", axis as i64 - self.rank(x) as i64).float("epsilon", eps))
            }
            Whole::GroupNorm { groups, eps } => {
                let count = channels(1);
                let (weight, bias) = self.affine(at(1), at(2), count);
                let inputs = [at(0), &weight, &bias];
                if groups == count && self.rank(x) > 2 {
                    self.push_main(node("InstanceNormalization", &inputs).float("epsilon", eps))
                } else {
                    let norm = node("GroupNormalization", &inputs).float("epsilon", eps);
                    self.push_main(norm.int("num_groups", groups as i64))
                }
            }
            Whole::LocalResponseNorm { size, alpha, beta, k } => {
                let norm = node("LRN", &[at(0)]).int("size", size as i64);
                self.push_main(norm.float("alpha", alpha).float("beta", beta).float("bias", k))
            }
            Whole::Softmax { axis } => {
                let axis = axis as i64 - self.rank(x) as i64;
                self.push_main(node("Softmax", &[at(0)]).int("axis", axis))
            }
            Whole::LogSoftmax { axis } => {
                let axis = axis as i64 - self.rank(x) as i64;
                self.push_main(node("LogSoftmax", &[at(0)]).int("axis", axis))
            }
            Whole::Fold { fold: Fold::Mean, axes, keep: true }
                if self.rank(x) > 2 && axes == Axes::new(2..self.rank(x)) =>
            {
                self.push_main(node("GlobalAveragePool", &[at(0)]))
            }
            Whole::Fold { fold, axes, keep } => {
                let op_type = match fold {
                    Fold::Mean => "ReduceMean",
                    Fold::LogSumExp => "ReduceLogSumExp",
                };
                let axes: Vec<i64> = axes.iter().map(|axis| axis as i64).collect();
                let axes = self.int_list(&axes);
                self.push_main(node(op_type, &[at(0), &axes]).int("keepdims", i64::from(keep)))
            }
            Whole::RunningSum { axis } => {
                let axis = self.constant(DataType::Int64, &[], (axis as i64).to_le_bytes().to_vec());
                self.push_main(node("CumSum", &[at(0), &axis]))
            }
            Whole::MaxPool(window) => self.push_main(pooling("MaxPool", at(0), &window)),
            Whole::AvgPool { window, count_include_pad } => {
                let pool = pooling("AveragePool", at(0), &window);
                self.push_main(pool.int("count_include_pad", i64::from(count_include_pad)))
            }
            Whole::Embedding => self.push_main(node("Gather", &[at(1), at(0)]).int("axis", 0)),
            Whole::Upsample { mode, align_corners, scales } => {
                return Ok(vec![self.write_resize(at(0), id, mode, align_corners, scales)?]);
            }
            Whole::GridSample { mode, padding, align_corners } => {
                let mode = match mode {
                    GridMode::Bilinear => "linear",
                    GridMode::Nearest => "nearest",
                    GridMode::Bicubic => "cubic",
                };
                let padding = match padding {
                    GridPadding::Zeros => "zeros",
                    GridPadding::Border => "border",
                    GridPadding::Reflection => "reflection",
                };
                let sample = node("GridSample", &[at(0), at(1)]).string("mode", mode).string("padding_mode", padding);
                self.push_main(sample.int("align_corners", i64::from(align_corners)))
            }
            Whole::Pad { mode, low, high } => {
                let rank = self.rank(x);
                let sides: Vec<i64> = low[..rank].iter().chain(&high[..rank]).map(|&side| side as i64).collect();
                let sides = self.int_list(&sides);
                let word = match mode {
                    PaddingMode::Zeros => "constant",
                    PaddingMode::Reflect => "reflect",
                    PaddingMode::Replicate => "edge",
                    PaddingMode::Circular => "wrap",
                };
                self.push_main(node("Pad", &[at(0), &sides]).string("mode", word))
            }
            Whole::PixelShuffle { factor } => {
                let shuffle = node("DepthToSpace", &[at(0)]).int("blocksize", factor as i64);
                self.push_main(shuffle.string("mode", "CRD"))
            }
            Whole::Sort { axis, count, descending } => {
                let count = self.int_list(&[count as i64]);
                let [sorted, places] = self.result_names(["sorted", "places"]);
                let top = node("TopK", &[at(0), &count]).int("axis", axis as i64).int("largest", i64::from(descending));
                self.push_as(top.int("sorted", 1), vec![sorted.clone(), places.clone()]);
                let places = self.cast(&places, DataType::Int32);
                return Ok(vec![places, sorted]);
            }
            Whole::PRelu => {
                let slope = self.slope(x, noted.operands[1].expect("a weight"), at(1));
                self.push_main(node("PRelu", &[at(0), &slope]))
            }
            Whole::Curve(curve) => self.write_curve(curve, at(0), self.dtype(x)),
            Whole::Recurrent { .. } => {
                return Err(self.level().no_form(id, "it has no operator of its own"));
            }
        }])
    }

    /// A weight and a bias for so many channels: ones and zeros where there are none.
    fn affine(&mut self, weight: &str, bias: &str, channels: usize) -> (String, String) {
        let weight = if weight.is_empty() { self.filled(channels, 1.0) } else { weight.to_owned() };
        let bias = if bias.is_empty() { self.filled(channels, 0.0) } else { bias.to_owned() };
        (weight, bias)
    }

    /// Ones of the shape of a value from an axis on.
    fn ones_like(&mut self, x: NodeId, axis: usize) -> Result<String, WriteError> {
        let dims: Vec<Number> = self.dims(x)?.split_off(axis);
        let (shape, one) = (self.int_tensor(&dims), self.scalar(DType::F32, 1.0));
        Ok(self.push(node("Expand", &[&one, &shape])))
    }

    /// The slopes of a rectifier, along axis 1 of `x`.
    fn slope(&mut self, x: NodeId, weight: NodeId, name: &str) -> String {
        let slopes = self.level().node(weight).ty.shape.elements();
        let axes = self.rank(x).saturating_sub(2);
        if slopes == 1 || axes == 0 {
            return name.to_owned();
        }
        let shape: Vec<i64> = [slopes as i64].into_iter().chain(vec![1; axes]).collect();
        let shape = self.int_list(&shape);
        self.push(node("Reshape", &[name, &shape]))
    }

    fn write_resize(
        &mut self,
        x: &str,
        id: NodeId,
        mode: UpsampleMode,
        align_corners: bool,
        scales: Option<[f64; MAX_SPATIAL]>,
    ) -> Result<String, WriteError> {
        let (rank, dims) = (self.rank(id), self.dims(id)?);
        let inputs = match scales {
            Some(scales) => {
                let all: Vec<u8> = [1.0, 1.0]
                    .iter()
                    .chain(&scales[..rank - 2])
                    .flat_map(|&scale| (scale as f32).to_le_bytes())
                    .collect();
                [self.constant(DataType::Float, &[rank as i64], all), String::new()]
            }
            None => [String::new(), self.int_tensor(&dims[2..])],
        };
        let mut resize = node("Resize", &[x, "", &inputs[0], &inputs[1]]);
        if scales.is_none() {
            resize = resize.ints("axes", 2..rank as i64);
        }
        let (word, places, nearest) = match mode {
            UpsampleMode::Nearest => ("nearest", "asymmetric", "floor"),
            UpsampleMode::NearestExact => ("nearest", "half_pixel", "round_prefer_ceil"),
            UpsampleMode::Linear | UpsampleMode::Bilinear | UpsampleMode::Trilinear | UpsampleMode::Area => {
                ("linear", "half_pixel", "")
            }
            UpsampleMode::Bicubic => ("cubic", "half_pixel", ""),
        };
        let places = if align_corners { "align_corners" } else { places };
        resize = resize.string("mode", word).string("coordinate_transformation_mode", places);
        if !nearest.is_empty() {
            resize = resize.string("nearest_mode", nearest);
        }
        Ok(self.push_main(resize))
    }

    fn write_curve(&mut self, curve: Curve, x: &str, dtype: DType) -> String {
        let curve = match curve {
            Curve::Relu => node("Relu", &[x]),
            Curve::LeakyRelu { negative_slope } => node("LeakyRelu", &[x]).float("alpha", negative_slope),
            Curve::Elu { alpha } => node("Elu", &[x]).float("alpha", alpha),
            Curve::Celu { alpha } => node("Celu", &[x]).float("alpha", alpha),
            Curve::Selu => node("Selu", &[x]),
            Curve::Softplus => node("Softplus", &[x]),
            Curve::Mish => node("Mish", &[x]),
            Curve::Clamp { low, high } => {
                let bound = |writer: &mut Self, bound: f64| {
                    if bound.is_infinite() { String::new() } else { writer.scalar(dtype, bound) }
                };
                let (low, high) = (bound(self, low), bound(self, high));
                node("Clip", &[x, &low, &high])
            }
            Curve::HardSigmoid => node("HardSigmoid", &[x]).float("alpha", 1.0 / 6.0).float("beta", 0.5),
            Curve::HardSwish => node("HardSwish", &[x]),
            Curve::Shrink { lambd, bias } => node("Shrink", &[x]).float("lambd", lambd).float("bias", bias),
            Curve::Gelu { tanh } => node("Gelu", &[x]).string("approximate", if tanh { "tanh" } else { "none" }),
            Curve::Softsign => node("Softsign", &[x]),
            Curve::Ceil => node("Ceil", &[x]),
            Curve::Tan => node("Tan", &[x]),
            Curve::Atan => node("Atan", &[x]),
            Curve::IsNaN => node("IsNaN", &[x]),
            Curve::IsInf => node("IsInf", &[x]),
        };
        self.push_main(curve)
    }
}
