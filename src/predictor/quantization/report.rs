//! What quantizing has done and lost, as a table. It knows no graphs.

use std::fmt;

use kiln_graph::Shape;

/// What quantizing has done and lost: per layer and in all, over the calibration data; it prints as a table.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Quantization {
    /// The products and convolutions that could be quantized, in the order in which they are computed. A layer that is applied
    /// twice is there twice.
    pub layers: Vec<QuantizedLayer>,
    /// How much each output of the model differs.
    pub outputs: Vec<OutputDifference>,
    /// The part of the samples whose class is the place of the largest number of the first output, before and after; where
    /// [`QuantizeOptions::classes`](crate::QuantizeOptions::classes) has told the classes.
    pub accuracy: Option<[f32; 2]>,
    /// The samples of the calibration data.
    pub samples: usize,
    /// Bytes of the model's parameters before and after.
    pub parameter_bytes: [usize; 2],
}

/// One product or convolution.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct QuantizedLayer {
    /// The name of the layer: that of its weight without the last part.
    pub name: String,
    /// `dot` or `conv`.
    pub operation: &'static str,
    /// The weight's shape.
    pub weight: Shape,
    /// The numbers between which its activation is told apart, as [`Calibration`](crate::Calibration) says; those beyond
    /// are cut off.
    pub range: [f32; 2],
    /// By how much its result differs when the activation and the weight are rounded to 8 bits, as a part of the result: root
    /// mean squares. Nothing for one that was excluded.
    pub loss: Option<f32>,
}

/// By how much an output differs from that of the model in f32.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct OutputDifference {
    /// The output's name.
    pub name: String,
    /// The difference, as a part of the output: root mean squares.
    pub loss: f32,
    /// In which part of the rows along the last axis the largest number is at the same place: of scores of classes, the part of the
    /// samples of which nothing changes. 1 where there is one number a row.
    pub agreement: f32,
}

impl Quantization {
    /// How many of the products are computed in 8 bits.
    pub fn narrow(&self) -> usize {
        self.layers.iter().filter(|layer| layer.loss.is_some()).count()
    }
}

impl fmt::Display for Quantization {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "8 bits: {} of {} products, by {} samples", self.narrow(), self.layers.len(), self.samples)?;
        let width = self.layers.iter().map(|layer| layer.name.len()).max().unwrap_or(0).max("layer".len());
        let shapes: Vec<String> = self.layers.iter().map(|layer| layer.weight.to_string()).collect();
        let shape_width = shapes.iter().map(String::len).max().unwrap_or(0).max("weight".len());
        writeln!(f, "  {:width$}  {:shape_width$}  {:>21}  {:>8}", "layer", "weight", "activation", "loss")?;
        for (layer, shape) in self.layers.iter().zip(&shapes) {
            let range = format!("{:.4} to {:.4}", layer.range[0], layer.range[1]);
            let loss = layer.loss.map_or("f32".to_owned(), |loss| format!("{:.3} %", 100.0 * loss));
            writeln!(f, "  {:width$}  {shape:shape_width$}  {range:>21}  {loss:>8}", layer.name)?;
        }
        write!(f, "{}", Lost(self))
    }
}

/// What is lost of the outputs, and how much memory is won, in lines.
pub(crate) struct Lost<'q>(pub &'q Quantization);

impl fmt::Display for Lost<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Quantization { outputs, accuracy, parameter_bytes, .. } = self.0;
        for output in outputs {
            let (loss, agreement) = (100.0 * output.loss, 100.0 * output.agreement);
            writeln!(
                f,
                "  {} differs by {loss:.3} %; its largest number is the same in {agreement:.2} %",
                output.name
            )?;
        }
        if let Some([before, after]) = accuracy.map(|both| both.map(|part| 100.0 * part)) {
            writeln!(f, "  accuracy: {before:.2} % before, {after:.2} % after")?;
        }
        let [before, after] = parameter_bytes.map(|bytes| bytes as f64 / 1e6);
        write!(f, "  parameters: {before:.3} MB before, {after:.3} MB after")
    }
}
