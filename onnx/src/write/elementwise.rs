//! Functions of single elements. ONNX's broadcast by themselves, so that operands are written before they are repeated.
//! What several of them are together is `wholes.rs`'s to know.

use kiln_graph::op::{BinaryOp, CompareOp, UnaryOp};
use kiln_graph::{DType, NodeId, Op};

use super::error::WriteError;
use super::numbers::Number;
use super::protos::{data_type, node};
use super::writer::Writer;

impl Writer<'_> {
    /// The operands of an elementwise operation as they are before they are repeated to its shape, if ONNX repeats
    /// them to the same.
    pub(super) fn plain_operands(&self, id: NodeId) -> Result<Vec<NodeId>, WriteError> {
        let given = self.level().node(id).inputs.to_vec();
        let plain: Vec<NodeId> = given.iter().map(|&operand| self.plain(operand)).collect();
        let result = self.dims(id)?;
        let shapes = plain.iter().map(|&operand| self.dims(operand)).collect::<Result<Vec<_>, _>>()?;
        let one = Number::known(1);
        let repeats = (0..result.len()).all(|behind| {
            let of = |dims: &Vec<Number>| dims.len().checked_sub(1 + behind).map(|axis| dims[axis].clone());
            let wanted = of(&result);
            let found: Vec<Number> = shapes.iter().filter_map(of).collect();
            let fits = found.iter().all(|extent| *extent == one || Some(extent) == wanted.as_ref());
            fits && (wanted.as_ref() == Some(&one) || found.iter().any(|extent| Some(extent) == wanted.as_ref()))
        });
        let has_all_axes = shapes.iter().any(|dims| dims.len() == result.len());
        Ok(if repeats && has_all_axes { plain } else { given })
    }

    /// A value before it was repeated along axes, and got axes in front.
    fn plain(&self, id: NodeId) -> NodeId {
        let mut id = id;
        loop {
            let node = self.level().node(id);
            let from = match node.op {
                Op::Broadcast(_) | Op::Detach => node.inputs[0],
                Op::Reshape(_) => {
                    let only_in_front = self.level().each(id).all(|(graph, id)| {
                        let (from, to) = (graph.shape(graph.node(id).inputs[0]), graph.shape(id));
                        let more = to.rank().checked_sub(from.rank());
                        more.is_some_and(|more| {
                            to.dims()[more..] == *from.dims() && to.dims()[..more].iter().all(|&extent| extent == 1)
                        })
                    });
                    if !only_in_front || self.whole(id).is_some() {
                        return id;
                    }
                    node.inputs[0]
                }
                _ => return id,
            };
            id = from;
        }
    }

    /// The names of [`Writer::plain_operands`].
    fn plain_names(&self, id: NodeId) -> Result<Vec<String>, WriteError> {
        Ok(self.plain_operands(id)?.into_iter().map(|operand| self.value(operand).to_owned()).collect())
    }

    pub(super) fn write_unary(&mut self, id: NodeId, function: UnaryOp) -> String {
        let operand = self.level().node(id).inputs[0];
        let x = self.value(operand).to_owned();
        let op_type = match function {
            UnaryOp::Neg => "Neg",
            UnaryOp::Abs => "Abs",
            UnaryOp::Sign => "Sign",
            UnaryOp::Exp => "Exp",
            UnaryOp::Log => "Log",
            UnaryOp::Sqrt => "Sqrt",
            UnaryOp::Reciprocal => "Reciprocal",
            UnaryOp::Sin => "Sin",
            UnaryOp::Cos => "Cos",
            UnaryOp::Asin => "Asin",
            UnaryOp::Acos => "Acos",
            UnaryOp::Sinh => "Sinh",
            UnaryOp::Cosh => "Cosh",
            UnaryOp::Tanh => "Tanh",
            UnaryOp::Asinh => "Asinh",
            UnaryOp::Acosh => "Acosh",
            UnaryOp::Atanh => "Atanh",
            UnaryOp::Sigmoid => "Sigmoid",
            UnaryOp::Erf => "Erf",
            UnaryOp::Floor => "Floor",
            UnaryOp::Round => "Round",
            UnaryOp::Not => "Not",
            UnaryOp::Rsqrt => {
                let root = self.push(node("Sqrt", &[&x]));
                return self.push_main(node("Reciprocal", &[&root]));
            }
            UnaryOp::Expm1 => {
                let (power, one) = (self.push(node("Exp", &[&x])), self.scalar(DType::F32, 1.0));
                return self.push_main(node("Sub", &[&power, &one]));
            }
            UnaryOp::Log1p => {
                let one = self.scalar(DType::F32, 1.0);
                let more = self.push(node("Add", &[&x, &one]));
                return self.push_main(node("Log", &[&more]));
            }
        };
        self.push_main(node(op_type, &[&x]))
    }

    pub(super) fn write_binary(&mut self, id: NodeId, function: BinaryOp) -> Result<String, WriteError> {
        let operands = self.plain_names(id)?;
        let [a, b] = [&operands[0], &operands[1]];
        let op_type = match function {
            BinaryOp::Add => "Add",
            BinaryOp::Sub => "Sub",
            BinaryOp::Mul => "Mul",
            BinaryOp::Div => "Div",
            BinaryOp::Max => "Max",
            BinaryOp::Min => "Min",
            BinaryOp::Pow => "Pow",
            BinaryOp::And => "And",
            BinaryOp::Or => "Or",
            BinaryOp::Atan2 => return Ok(self.write_angle(a, b)),
        };
        Ok(self.push(node(op_type, &[a, b])))
    }

    /// The angle of the point `(b, a)`: that of the line through it, turned round where `b` is negative.
    fn write_angle(&mut self, a: &str, b: &str) -> String {
        let [zero, half, turn, back] = [0.0, std::f64::consts::FRAC_PI_2, std::f64::consts::PI, -std::f64::consts::PI]
            .map(|number| self.scalar(DType::F32, number));
        let slope = self.push(node("Div", &[a, b]));
        let line = self.push(node("Atan", &[&slope]));
        let (below, left) = (self.push(node("Less", &[a, &zero])), self.push(node("Less", &[b, &zero])));
        let turned = self.push(node("Where", &[&below, &back, &turn]));
        let round = self.push(node("Add", &[&line, &turned]));
        let angle = self.push(node("Where", &[&left, &round, &line]));
        let (sign, upright) = (self.push(node("Sign", &[a])), self.push(node("Equal", &[b, &zero])));
        let quarter = self.push(node("Mul", &[&sign, &half]));
        self.push(node("Where", &[&upright, &quarter, &angle]))
    }

    pub(super) fn write_compare(&mut self, id: NodeId, function: CompareOp) -> Result<String, WriteError> {
        let operands = self.plain_names(id)?;
        let operands = [&operands[0][..], &operands[1][..]];
        Ok(match function {
            CompareOp::Eq => self.push(node("Equal", &operands)),
            CompareOp::Ne => {
                let equal = self.push(node("Equal", &operands));
                self.push(node("Not", &[&equal]))
            }
            CompareOp::Lt => self.push(node("Less", &operands)),
            CompareOp::Le => self.push(node("LessOrEqual", &operands)),
            CompareOp::Gt => self.push(node("Greater", &operands)),
            CompareOp::Ge => self.push(node("GreaterOrEqual", &operands)),
        })
    }

    pub(super) fn write_select(&mut self, id: NodeId) -> Result<String, WriteError> {
        let operands = self.plain_names(id)?;
        let [condition, a, b] = [&operands[0], &operands[1], &operands[2]];
        if self.dtype(id) != DType::Bool {
            return Ok(self.push(node("Where", &[condition, a, b])));
        }
        let other = self.push(node("Not", &[condition]));
        let (first, second) = (self.push(node("And", &[condition, a])), self.push(node("And", &[&other, b])));
        Ok(self.push(node("Or", &[&first, &second])))
    }

    pub(super) fn write_convert(&mut self, id: NodeId, dtype: DType) -> String {
        let operand = self.level().node(id).inputs[0];
        let x = self.value(operand).to_owned();
        self.push(node("Cast", &[&x]).int("to", data_type(dtype) as i64))
    }
}
