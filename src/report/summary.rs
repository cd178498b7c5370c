//! The table of a model's layers, and what it costs to train and to run. It counts operations in a graph; memory it
//! takes from plans that others have made.

use std::collections::HashMap;
use std::fmt;

use kiln_graph::shape::{Sizes, extent};
use kiln_graph::{Builder, Graph, Kind, Layer, Model, NodeId, Path, Shape};
use kiln_jit::Plan;

use super::text::thousands;
use crate::predictor::{Lost, Quantization};
use crate::trainer::{TrainError, forward};

/// One layer of a [`Summary`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LayerRow {
    /// The layer's place: `conv1`, `head.norm`.
    pub name: String,
    /// The layer and its settings: `Conv2d(1, 20, kernel 5)`.
    pub layer: String,
    /// The shape of its output; the batch axis is `N`.
    pub output: Shape,
    /// The number of its parameters, running statistics not among them.
    pub parameters: usize,
    /// How many of these are not trained: `requires_grad = false`.
    pub frozen: usize,
    /// Floating-point operations of its forward pass for one sample; a multiply-add counts as 2.
    pub flops: u64,
}

/// What a model consists of and what it costs. It prints as a table.
#[derive(Clone, Debug, PartialEq)]
pub struct Summary {
    /// The layers in order.
    pub layers: Vec<LayerRow>,
    /// The batch size of the plans, and the free extents, of which the rows are, too.
    pub sizes: Sizes,
    /// Bytes that a training step holds at its peak: parameters, optimizer state, and everything in between. Nothing for
    /// a model that is not being trained.
    pub training_bytes: Option<usize>,
    /// Bytes that a prediction holds at its peak.
    pub inference_bytes: Option<usize>,
    /// What is computed in 8 bits, and what that loses; nothing for what is not quantized.
    pub quantization: Option<Quantization>,
}

impl Summary {
    pub(crate) fn new<M: Model>(
        model: &M,
        sizes: Sizes,
        training: Option<&Plan>,
        inference: Option<&Plan>,
    ) -> Result<Summary, TrainError> {
        let graph = |samples: usize| {
            let g = Builder::new("summary");
            forward(&g, model, sizes.with_batch(samples));
            g.finish()
        };
        let graphs = [graph(1)?, graph(2)?, graph(3)?];
        Ok(Summary::of_graphs(&graphs, model, M::INPUTS[0].shape, sizes, training, inference))
    }

    /// That of a layer whose graphs for one, two and three samples are given: all counts are those of the first; the others
    /// tell which axes follow the samples. `output` is the shape of what gives no node.
    pub(crate) fn of_graphs(
        graphs: &[Graph; 3],
        model: &impl Layer,
        mut output: Shape,
        sizes: Sizes,
        training: Option<&Plan>,
        inference: Option<&Plan>,
    ) -> Summary {
        let [one, two, three] = [0, 1, 2].map(|number| places(&graphs[number]));
        let mut layers: Vec<LayerRow> = Vec::new();
        let mut rows: HashMap<String, usize> = HashMap::new();
        model.describe(&mut Path::default(), &mut |name, layer| {
            if let (Some((of_two, _)), Some((of_three, _))) = (two.get(name), three.get(name)) {
                output = by_samples(of_two.dims(), of_three.dims());
            }
            rows.entry(name.to_string()).or_insert(layers.len());
            layers.push(LayerRow {
                name: name.to_string(),
                layer: layer.to_string(),
                output,
                parameters: 0,
                frozen: 0,
                flops: one.get(name).map_or(0, |&(_, flops)| flops),
            });
        });
        model.visit(&mut Path::default(), &mut |name, parameter| {
            let row = around(name).filter_map(|place| rows.get(place).copied()).min();
            if let (Kind::Trained | Kind::Frozen, Some(row)) = (parameter.kind, row) {
                let row = &mut layers[row];
                row.parameters += parameter.value.len();
                row.frozen += if parameter.kind == Kind::Frozen { parameter.value.len() } else { 0 };
            }
        });
        Summary {
            layers,
            sizes,
            training_bytes: training.map(Plan::peak_bytes),
            inference_bytes: inference.map(Plan::peak_bytes),
            quantization: None,
        }
    }

    /// With what is computed in 8 bits.
    pub(crate) fn quantized(self, quantization: Option<&Quantization>) -> Summary {
        Summary { quantization: quantization.cloned(), ..self }
    }

    /// Whether products of a layer are computed in 8 bits.
    fn is_narrow(&self, layer: &str) -> bool {
        let products = self.quantization.iter().flat_map(|quantization| &quantization.layers);
        products.into_iter().any(|product| product.name == layer && product.loss.is_some())
    }

    /// The number of parameters of all layers.
    pub fn parameters(&self) -> usize {
        self.layers.iter().map(|row| row.parameters).sum()
    }

    /// The number of parameters that are not trained.
    pub fn frozen(&self) -> usize {
        self.layers.iter().map(|row| row.frozen).sum()
    }

    /// Floating-point operations of the forward pass for one sample.
    pub fn flops(&self) -> u64 {
        self.layers.iter().map(|row| row.flops).sum()
    }
}

/// The shape for any number of samples, by those for two and for three.
fn by_samples(two: &[usize], three: &[usize]) -> Shape {
    let mut shape = Shape::new(two);
    for (axis, (&two, &three)) in two.iter().zip(three).enumerate() {
        // `each * N + more`
        let each = three.saturating_sub(two);
        let more = two.checked_sub(2 * each).filter(|_| each > 0);
        let of_samples = more.and_then(|more| extent::plus(extent::times(Shape::N, each)?, more));
        if let Some(number) = of_samples {
            shape = shape.with(axis, number);
        }
    }
    shape
}

/// What the nodes of each place and of those under it give and cost.
fn places(graph: &Graph) -> HashMap<&str, (Shape, u64)> {
    let mut places: HashMap<&str, (Shape, u64)> = HashMap::new();
    for id in graph.ids() {
        for place in around(&graph.scope(id).layer) {
            let (last, all) = places.entry(place).or_insert((Shape::SCALAR, 0));
            *last = graph.shape(id);
            *all += flops(graph, id);
        }
    }
    places
}

/// The places that a path lies under, and itself: `head`, `head.norm`.
fn around(path: &str) -> impl Iterator<Item = &str> {
    path.match_indices('.').map(|(end, _)| &path[..end]).chain([path])
}

/// Floating-point operations of one node, as [`Op::flops`](kiln_graph::Op::flops) counts them.
fn flops(graph: &Graph, id: NodeId) -> u64 {
    let node = graph.node(id);
    let operands: Vec<Shape> = node.inputs.iter().map(|&operand| graph.shape(operand)).collect();
    node.op.flops(&operands, node.ty.shape) as u64
}

fn megabytes(bytes: usize) -> String {
    format!("{:.2} MiB", bytes as f64 / (1 << 20) as f64)
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let head = ["layer", "", "output", "parameters", "FLOPs / sample"].map(str::to_string);
        let total =
            ["total", "", "", &thousands(self.parameters() as u64), &thousands(self.flops())].map(str::to_string);
        let rows = self.layers.iter().map(|row| {
            let [parameters, flops] = [row.parameters as u64, row.flops].map(thousands);
            let frozen = if row.frozen > 0 { ", frozen" } else { "" };
            let narrow = if self.is_narrow(&row.name) { ", 8 bits" } else { "" };
            [row.name.clone(), format!("{}{frozen}{narrow}", row.layer), row.output.to_string(), parameters, flops]
        });
        let rows: Vec<[String; 5]> = rows.collect();
        let widths: [usize; 5] = std::array::from_fn(|column| {
            rows.iter().chain([&head, &total]).map(|row| row[column].chars().count()).max().unwrap_or(0)
        });
        let [a, b, c, d, e] = widths;
        let rule = "-".repeat(widths.iter().sum::<usize>() + 8);
        let line = |f: &mut fmt::Formatter<'_>, row: &[String; 5]| {
            writeln!(f, "{:a$}  {:b$}  {:c$}  {:>d$}  {:>e$}", row[0], row[1], row[2], row[3], row[4])
        };
        line(f, &head)?;
        writeln!(f, "{rule}")?;
        for row in &rows {
            line(f, row)?;
        }
        writeln!(f, "{rule}")?;
        line(f, &total)?;
        if self.frozen() > 0 {
            let [trained, frozen] = [self.parameters() - self.frozen(), self.frozen()].map(|n| thousands(n as u64));
            writeln!(f, "parameters: {trained} trained, {frozen} frozen")?;
        }
        let memory = |bytes: Option<usize>| bytes.map_or("not planned".to_string(), megabytes);
        write!(
            f,
            "planned memory at batch {}{}: training {}, inference {}",
            self.sizes.batch(),
            self.sizes.of_extents(", "),
            memory(self.training_bytes),
            memory(self.inference_bytes)
        )?;
        match &self.quantization {
            None => Ok(()),
            Some(quantization) => {
                let (narrow, products) = (quantization.narrow(), quantization.layers.len());
                writeln!(f, "\n8 bits: {narrow} of {products} products")?;
                write!(f, "{}", Lost(quantization))
            }
        }
    }
}
