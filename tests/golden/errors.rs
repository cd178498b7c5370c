//! Uses that must be refused: each line of `errors.jsonl` must give an error of Kiln's own.

use kiln_graph::indices::index_rule;
use kiln_graph::optimizers::{Optimization, Sgd};
use kiln_graph::shape::rules;
use kiln_graph::{Builder, DType, Graph, GraphError, Mode, Parameter, Role, Type};
use ndarray::{ArrayD, IxDyn};
use serde_json::Value as Json;

use crate::case::{Array, Attributes, Refusal};
use crate::graphs::{Given, type_of};
use crate::python::parse;
use crate::{attention, layers, losses, ops, optim, recurrent, refused, trained};

/// Values that do not exist in the type of Kiln's argument, such as a negative size: PyTorch refuses them when it runs,
/// and rustc before anything runs. A call, its argument, the case in `tests/ui` that shows what rustc says, and the use
/// there.
const REFUSED_BY_RUSTC: &[(&str, &str, &str, &str)] = &[
    ("AdaptiveAvgPool2d", "output_size", "negative_sizes", "AdaptiveAvgPool2d(-1)"),
    ("AdaptiveMaxPool2d", "output_size", "negative_sizes", "AdaptiveMaxPool2d(-1)"),
    ("AvgPool2d", "padding", "negative_sizes", "AvgPool2d(2, padding = -1)"),
    ("Conv1d", "padding", "negative_sizes", "Conv1d(4, 6, 3, padding = -1)"),
    ("Conv2d", "padding", "negative_sizes", "Conv2d(4, 6, 3, padding = -1)"),
    ("Conv3d", "padding", "negative_sizes", "Conv3d(4, 6, 3, padding = -1)"),
    ("MaxPool2d", "padding", "negative_sizes", "MaxPool2d(2, padding = -1)"),
    ("slice", "step", "negative_sizes", "x.slice(1, 0, 4, step = -1)"),
];

/// The case in `tests/ui` by which rustc refuses such a value, where there is one: it has the use, and rustc's words
/// name the argument and show the line.
pub fn refused_by_rustc(call: &str, argument: &str) -> Result<String, Refusal> {
    let missing = || Refusal::Later(format!("{argument}: refused by rustc, but no case in tests/ui shows it"));
    let row = REFUSED_BY_RUSTC.iter().find(|(of, name, ..)| (*of, *name) == (call, argument));
    let (_, _, name, written) = *row.ok_or_else(missing)?;
    refused::by_rustc(name, written, &format!("`{argument}` of `{call}`"))
}

/// A use that PyTorch refuses.
pub struct Misuse {
    /// What is wrong, in words.
    pub title: String,
    /// The operation, layer, loss or optimizer; `program` for Python.
    pub call: String,
    attributes: Attributes,
    inputs: Vec<Array>,
    code: Vec<String>,
}

impl Misuse {
    /// Reads one line.
    pub fn read(line: &str) -> Result<Misuse, String> {
        let row: Json = serde_json::from_str(line).map_err(|error| error.to_string())?;
        let text = |name: &str| row[name].as_str().unwrap_or_default().to_owned();
        let inputs = row["inputs"].as_array().into_iter().flatten().map(input).collect::<Result<_, _>>()?;
        let code = row["code"].as_array().into_iter().flatten();
        Ok(Misuse {
            title: text("case"),
            call: text("call"),
            attributes: Attributes(row["attrs"].as_object().cloned().unwrap_or_default()),
            inputs,
            code: code.filter_map(Json::as_str).map(str::to_owned).collect(),
        })
    }

    /// Kiln's error in words; `Err` where Kiln has no such thing (yet), or accepts it.
    pub fn refusal(&self) -> Result<String, Refusal> {
        if let Some(said) = refused::refusal(&self.code.join("\n"), &self.inputs) {
            return said;
        }
        match self.build() {
            Ok(graph) => match self.indices(&graph) {
                Some(message) => Ok(message),
                None => {
                    let said = trained::refusal(&self.call, &self.attributes, &self.inputs)?;
                    said.ok_or_else(|| Refusal::Error("it is accepted".into()))
                }
            },
            Err(Refusal::Error(message)) => Ok(message),
            Err(Refusal::Unsigned(argument)) => refused_by_rustc(&self.call, &argument),
            Err(other) => Err(other),
        }
    }

    fn build(&self) -> Result<Graph, Refusal> {
        let (call, attributes) = (self.call.as_str(), &self.attributes);
        let g = Builder::new("misuse");
        let names: Vec<String> = (0..self.inputs.len()).map(|index| format!("input.{index}")).collect();
        let mut given = Given::new(&g, names.iter().map(String::as_str).zip(&self.inputs));
        match call {
            "program" => return self.program(),
            "SGD" | "Adam" | "AdamW" | "RMSprop" | "Adagrad" | "Adamax" | "NAdam" | "RAdam" => {
                let rule = optim::optimizer(call, attributes)?;
                let p = g.state("p", Type::f32([2]));
                rule.apply(&g, &[("p".into(), p)], &[p]);
            }
            "Embedding" => {
                let size = |name: &str| attributes.int(name).unwrap_or(1) as usize;
                let weight = g.input("param.weight", [size("num_embeddings"), size("embedding_dim")]);
                given.values.insert("param.weight".into(), weight);
                layers::compute(call, attributes, &given)?;
            }
            "Dropout" | "Dropout1d" | "Dropout2d" | "Dropout3d" | "AlphaDropout" | "FeatureAlphaDropout" => {
                g.set_mode(Mode::Train);
                let input = given.find("input.0").unwrap_or_else(|| g.input("input.0", [2, 3, 4, 4]));
                given.values.insert("input.0".into(), input);
                layers::compute(call, attributes, &given)?;
            }
            _ if call.ends_with("Loss") => _ = losses::compute(call, attributes, &given)?,
            _ if call.starts_with(|c: char| c.is_lowercase()) => _ = ops::compute(call, attributes, &given)?,
            "PReLU" => {
                let slopes = attributes.sizes("num_parameters", 1, 1)?[0];
                given.values.insert("param.weight".into(), g.input("param.weight", [slopes]));
                layers::compute(call, attributes, &given)?;
            }
            "Linear" => {
                let size = |name: &str| attributes.int(name).unwrap_or(1) as usize;
                let weight = g.input("param.weight", [size("out_features"), size("in_features")]);
                given.values.insert("param.weight".into(), weight);
                layers::compute(call, attributes, &given)?;
            }
            "Conv1d" | "Conv2d" | "Conv3d" | "ConvTranspose1d" | "ConvTranspose2d" | "ConvTranspose3d" => {
                let transposed = call.starts_with("ConvTranspose");
                let (weight, bias) = layers::convolution_parameters(attributes, layers::spatial(call), transposed)?;
                let channels = attributes.sizes("in_channels", 1, 1)?[0];
                let groups = attributes.sizes("groups", 1, 1)?[0];
                rules::groups(channels, bias.dim(0), groups).map_err(GraphError::from)?;
                given.values.insert("param.weight".into(), g.input("param.weight", weight));
                given.values.insert("param.bias".into(), g.input("param.bias", bias));
                layers::compute(call, attributes, &given)?;
            }
            attention::LAYER => {
                attention::declare(&g, attributes, &mut given);
                layers::compute(call, attributes, &given)?;
            }
            "GroupNorm" => {
                let channels = attributes.sizes("num_channels", 1, 1)?[0];
                let input = given.find("input.0").unwrap_or_else(|| g.input("input.0", [2, channels]));
                given.values.insert("input.0".into(), input);
                layers::compute(call, attributes, &given)?;
            }
            _ if let Some(step) = recurrent::step(call, attributes) => {
                recurrent::declare(&g, step, attributes, &mut given);
                layers::compute(call, attributes, &given)?;
            }
            _ => {
                // A layer that is made is in training mode.
                g.set_mode(Mode::Train);
                layers::compute(call, attributes, &given)?;
            }
        }
        drop(given);
        Ok(g.finish()?)
    }

    /// What is said about the indices that are given to a graph.
    fn indices(&self, graph: &Graph) -> Option<String> {
        for input in graph.inputs.iter().filter(|input| input.role == Role::Data) {
            // `input.1`, or `x1` of a program.
            let number = input.name.trim_start_matches("input.").trim_start_matches('x').parse::<usize>();
            let array = number.ok().and_then(|number| self.inputs.get(number));
            let Some(Array::Int(numbers)) = array else { continue };
            let numbers = numbers.mapv(|number| number as i32);
            if let Some(Err(error)) = index_rule(graph, input.node).map(|rule| rule.check(&numbers.view())) {
                return Some(error.to_string());
            }
        }
        None
    }

    /// Backward passes that can not be.
    fn program(&self) -> Result<Graph, Refusal> {
        let lines: Vec<&str> = self.code.iter().map(String::as_str).collect();
        parse(&lines)?;
        let g = Builder::new("misuse");
        let name = |position: usize| format!("x{position}");
        let input = |(position, array): (usize, &Array)| {
            let ty = type_of(array);
            // What is trained is a state.
            let is_state = ty.dtype == DType::F32;
            let value = if is_state { g.state(&name(position), ty) } else { g.input_of(&name(position), ty) };
            (name(position), crate::script::Object::Tensor(value))
        };
        let names = self.inputs.iter().enumerate().map(input).collect();
        let layers = crate::script::Layers::new();
        let mut script = crate::script::Script {
            g: &g,
            layers: &layers,
            forwards: &Default::default(),
            parameters: &[],
            buffers: &[],
            leaves: Vec::new(),
            optimizer: None,
            names,
            gradients: Default::default(),
            losses: Vec::new(),
            stepped: Default::default(),
        };
        script.run(&lines)?;
        for &loss in &script.losses {
            let trained: Vec<(&str, Parameter)> = (script.leaves.iter())
                .map(|(name, leaf)| (name.as_str(), Parameter::trained(ArrayD::zeros(leaf.shape().dims()))))
                .collect();
            let rule = Sgd::default();
            let optimization =
                Optimization::new("", &rule, |_, f| trained.iter().for_each(|(name, leaf)| f(name, leaf)));
            optimization.minimize(&g, loss);
        }
        drop(script);
        let graph = g.finish()?;
        if let Some(message) = self.indices(&graph) {
            return Err(Refusal::Error(message));
        }
        // To differentiate twice is no mistake in a static graph.
        Err(Refusal::later("what only an eager framework can refuse"))
    }
}

/// An input of the given shape; `values` for indices.
fn input(row: &Json) -> Result<Array, String> {
    let shape: Vec<usize> =
        row["shape"].as_array().into_iter().flatten().filter_map(Json::as_u64).map(|extent| extent as usize).collect();
    if row["dtype"] == "f32" {
        return Ok(Array::Float(ArrayD::zeros(shape)));
    }
    fn numbers(row: &Json, into: &mut Vec<i64>) {
        match row {
            Json::Array(items) => items.iter().for_each(|item| numbers(item, into)),
            item => into.extend(item.as_i64()),
        }
    }
    let mut values = Vec::new();
    numbers(&row["values"], &mut values);
    ArrayD::from_shape_vec(IxDyn(&shape), values).map(Array::Int).map_err(|error| error.to_string())
}
