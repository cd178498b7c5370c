//! Recurrent layers.

use kiln_graph::layers::Nonlinearity;
use kiln_graph::layers::recurrent::{Recurrence, Stacking, Weights, recurrent, recurrent_cell};
use kiln_graph::{Builder, Type, Value};

use crate::case::{Attributes, Refusal};
use crate::graphs::Given;

/// The step of a recurrent layer or of a cell.
pub fn step(op: &str, attributes: &Attributes) -> Option<Recurrence> {
    let nonlinearity = match attributes.text("nonlinearity") {
        Some("relu") => Nonlinearity::Relu,
        _ => Nonlinearity::Tanh,
    };
    match op.strip_suffix("Cell").unwrap_or(op) {
        "RNN" => Some(Recurrence::Rnn(nonlinearity)),
        "LSTM" => Some(Recurrence::Lstm),
        "GRU" => Some(Recurrence::Gru),
        _ => None,
    }
}

/// The outputs and the last states, for sequences and initial states as they are given.
pub fn compute<'g>(
    op: &str,
    step: Recurrence,
    attributes: &Attributes,
    given: &Given<'g>,
) -> Result<Vec<Value<'g>>, Refusal> {
    let of = |place: &str| -> Result<Weights<'g>, Refusal> {
        let find = |name: &str| given.find(&format!("param.{name}{place}"));
        let need = |name: &str| find(name).ok_or_else(|| Refusal::Case(format!("the layer has no {name}{place}")));
        let biases = find("bias_ih").zip(find("bias_hh")).map(|(of_inputs, of_state)| [of_inputs, of_state]);
        Ok(Weights { inputs: need("weight_ih")?, state: need("weight_hh")?, biases, projection: find("weight_hr") })
    };
    if op.ends_with("Cell") {
        return Ok(recurrent_cell(step, &given.inputs(), &of("")?));
    }
    let weights = places(attributes).iter().map(|place| of(place)).collect::<Result<Vec<_>, _>>()?;
    let stacking = Stacking {
        bidirectional: attributes.flag("bidirectional"),
        batch_first: attributes.flag("batch_first"),
        dropout: attributes.f64("dropout").unwrap_or(0.0),
    };
    Ok(recurrent(step, &given.inputs(), &weights, stacking))
}

/// What the names of the parameters of each layer in each direction end in.
fn places(attributes: &Attributes) -> Vec<String> {
    let layers = attributes.int("num_layers").unwrap_or(1) as usize;
    let directions: &[&str] = if attributes.flag("bidirectional") { &["", "_reverse"] } else { &[""] };
    (0..layers).flat_map(|layer| directions.iter().map(move |direction| format!("_l{layer}{direction}"))).collect()
}

/// The parameters of a layer that is made of its attributes.
pub fn declare<'g>(g: &'g Builder, step: Recurrence, attributes: &Attributes, given: &mut Given<'g>) {
    let size = |name: &str| attributes.int(name).unwrap_or(1) as usize;
    let (inputs, hidden) = (size("input_size"), size("hidden_size"));
    let directions = 1 + usize::from(attributes.flag("bidirectional"));
    let rows = step.gates() * hidden;
    let projection = attributes.int("proj_size").unwrap_or(0) as usize;
    let outputs = if projection > 0 { projection } else { hidden };
    for (number, place) in places(attributes).iter().enumerate() {
        let inputs = if number < directions { inputs } else { directions * outputs };
        let shapes = [("weight_ih", vec![rows, inputs]), ("weight_hh", vec![rows, outputs])];
        let of_projection = (projection > 0).then(|| ("weight_hr", vec![projection, hidden]));
        let biases = [("bias_ih", vec![rows]), ("bias_hh", vec![rows])];
        for (name, extents) in shapes.into_iter().chain(biases).chain(of_projection) {
            let name = format!("param.{name}{place}");
            given.values.insert(name.clone(), g.state(&name, Type::f32(&extents[..])));
        }
    }
}
