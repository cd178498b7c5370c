//! PyTorch's functions of tensors by their names, with its arguments and its defaults: all that a body may call and that
//! [`ops`](crate::ops) does not know. Operands that may be of several types become those of one as a body has it.

#[path = "functions/axes.rs"]
mod axes;
#[path = "functions/elementwise.rs"]
#[allow(clippy::redundant_closure)] // All rows of one form: some functions take numbers, too.
mod elementwise;
#[path = "functions/images.rs"]
mod images;
#[path = "functions/layers.rs"]
mod layers;
#[path = "functions/losses.rs"]
mod losses;
#[path = "functions/places.rs"]
mod places;

use kiln_graph::shape::functions::Elements;
use kiln_graph::{DType, Shape, Value, written};
use serde_json::Value as Json;

use crate::case::{Attributes, Refusal};
use crate::graphs::Given;

/// What a function gives: `None` if it is of another subject.
type Results<'g> = Result<Option<Vec<Value<'g>>>, Refusal>;

/// The outputs of a function; masks count as 0 and 1.
pub fn compute<'g>(op: &str, attributes: &Attributes, given: &Given<'g>) -> Result<Vec<Value<'g>>, Refusal> {
    let op = op.strip_prefix("torch.").unwrap_or(op);
    let call = Call { op, attributes, given, operands: operands(attributes, given) };
    let parts =
        [elementwise::compute, axes::compute, places::compute, images::compute, layers::compute, losses::compute];
    for part in parts {
        if let Some(results) = part(&call)? {
            let counted =
                |value: Value<'g>| if value.dtype() == DType::Bool { value.convert(DType::I32) } else { value };
            return Ok(results.into_iter().map(counted).collect());
        }
    }
    Err(Refusal::later(op))
}

/// `input.0`, `input.1`, …; those that `masks` names as masks.
fn operands<'g>(attributes: &Attributes, given: &Given<'g>) -> Vec<Value<'g>> {
    let mask = |place: &str| is_mask(attributes, place);
    let inputs = given.inputs().into_iter().enumerate();
    inputs.map(|(place, x)| if mask(&place.to_string()) { x.ne(0) } else { x }).collect()
}

fn is_mask(attributes: &Attributes, name: &str) -> bool {
    attributes.get("masks").and_then(Json::as_array).is_some_and(|masks| masks.iter().any(|mask| mask == name))
}

/// A call of a function.
struct Call<'a, 'g> {
    /// The name of the function.
    op: &'a str,
    /// What it is given but for tensors.
    attributes: &'a Attributes,
    /// The tensors by name.
    given: &'a Given<'g>,
    /// Those that have numbers.
    operands: Vec<Value<'g>>,
}

impl<'g> Call<'_, 'g> {
    /// An operand by its place.
    fn at(&self, place: usize) -> Result<Value<'g>, Refusal> {
        self.operands.get(place).copied().ok_or_else(|| Refusal::Case(format!("no operand {place}")))
    }

    /// An operand that has a name and may be left out.
    fn named(&self, name: &str) -> Option<Value<'g>> {
        let value = self.given.find(&format!("input.{name}"))?;
        Some(if is_mask(self.attributes, name) { value.ne(0) } else { value })
    }

    /// Two operands as those of one type, the second a tensor or a number of this name.
    fn pair(&self, taken: Elements, name: &str) -> Result<[Value<'g>; 2], Refusal> {
        let x = self.at(0)?;
        if let Ok(y) = self.at(1) {
            return Ok(written::alike(false, [(taken, x), (taken, y)]));
        }
        let number = self.attributes.get(name).cloned().unwrap_or(Json::Null);
        let [x] = written::alike(number.is_f64(), [(taken, x)]);
        let number = self.number(name).ok_or_else(|| Refusal::Case(format!("no `{name}`")))?;
        Ok([x, x.graph().scalar(number).convert(x.dtype())])
    }

    /// A number, which may be infinite or none.
    fn number(&self, name: &str) -> Option<f64> {
        match self.attributes.text(name) {
            Some("inf") => Some(f64::INFINITY),
            Some("-inf") => Some(f64::NEG_INFINITY),
            Some("nan") => Some(f64::NAN),
            Some(_) => None,
            None => match self.attributes.get(name)? {
                Json::Bool(flag) => Some(f64::from(u8::from(*flag))),
                number => number.as_f64(),
            },
        }
    }

    fn number_or(&self, name: &str, default: f64) -> f64 {
        self.number(name).unwrap_or(default)
    }

    fn need(&self, name: &str) -> Result<f64, Refusal> {
        self.number(name).ok_or_else(|| Refusal::Case(format!("no `{name}`")))
    }

    fn int(&self, name: &str, default: isize) -> isize {
        self.attributes.int(name).unwrap_or(default)
    }

    fn size(&self, name: &str, default: usize) -> Result<usize, Refusal> {
        Ok(self.attributes.sizes(name, 1, default)?[0])
    }

    /// Sizes as a list that is as long as it is given.
    fn sizes(&self, name: &str, default: &[usize]) -> Result<Vec<usize>, Refusal> {
        let Some(given) = self.attributes.ints(name) else { return Ok(default.to_vec()) };
        given.into_iter().map(|size| usize::try_from(size).map_err(|_| Refusal::Unsigned(name.into()))).collect()
    }

    /// The extents of a shape, of which one may be left open.
    fn extents(&self, name: &str) -> Result<Vec<usize>, Refusal> {
        let extent = |extent: isize| match extent {
            -1 => Ok(Shape::INFERRED),
            extent => usize::try_from(extent).map_err(|_| Refusal::Unsigned(name.into())),
        };
        self.attributes.ints(name).unwrap_or_default().into_iter().map(extent).collect()
    }

    /// Axes, or none.
    fn axes(&self) -> Option<Vec<isize>> {
        self.attributes.ints("dim")
    }

    fn flag(&self, name: &str, default: bool) -> bool {
        self.attributes.get(name).and_then(Json::as_bool).unwrap_or(default)
    }

    fn text<'s>(&'s self, name: &str, default: &'s str) -> &'s str {
        self.attributes.text(name).unwrap_or(default)
    }

    /// Refuses arguments that Kiln's function does not have, unless they are PyTorch's defaults.
    fn lacks(&self, arguments: &[(&str, Json)]) -> Result<(), Refusal> {
        for (name, default) in arguments {
            if self.attributes.get(name).is_some_and(|given| given != default) {
                return Err(Refusal::later(format!("{name} of {}", self.op)));
            }
        }
        Ok(())
    }
}
