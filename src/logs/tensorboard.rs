//! Event files that TensorBoard reads: scalars, histograms, images, texts, the graph. It knows figures, arrays and
//! graphs; how bytes lie is the matter of `messages` and `records`.

mod messages;
mod records;

use std::path::Path;
use std::time::SystemTime;

use kiln_graph::optimizers::GRADIENT;
use kiln_graph::{Graph, Role, Stage};
use ndarray::{ArrayD, ArrayRef, Dimension};

use self::messages::Message;
use super::append::Append;
use super::{Log, LogError, Row, Start};
use crate::report::plots::png;

/// A log for TensorBoard: `tensorboard --logdir runs`, where `runs` holds a folder for each run.
///
/// In [`Fit::log`](crate::fit::Fit::log) it has all figures, the histograms of the parameters each epoch (and those of the
/// gradients of its last step, `gradients/fc/weight`, where the optimizer has `keep_gradients(true)`), and the graph of the
/// training step. `train.loss` and `valid.loss` become the tags `loss/train` and `loss/valid`, which TensorBoard shows side
/// by side. Alone it takes scalars, histograms, images, texts and graphs.
///
/// All is in one file, `events.out.tfevents.kiln`, that a resumed training goes on with; a TensorBoard that has it open is
/// to be started again then.
#[derive(Debug)]
pub struct TensorBoard {
    file: Append,
    /// Which states are parameters.
    parameters: Vec<String>,
}

/// The name of the file; TensorBoard looks for `tfevents` in it.
const FILE: &str = "events.out.tfevents.kiln";
/// The number of bins of a histogram.
const BINS: usize = 60;

impl TensorBoard {
    /// Writes to the file in this folder, which is made at the first event; what is in it stays.
    pub fn new(folder: impl AsRef<Path>) -> TensorBoard {
        TensorBoard { file: Append::new(&folder.as_ref().join(FILE)), parameters: Vec::new() }
    }

    /// Adds a number.
    ///
    /// # Errors
    /// [`LogError::Write`], as for all events.
    pub fn scalar(&mut self, tag: &str, step: u64, value: f64) -> Result<(), LogError> {
        self.summary(step, messages::scalar(tag, value))
    }

    /// Adds how the numbers of an array are spread; those that are not finite are passed over.
    ///
    /// # Errors
    /// [`LogError::Write`].
    pub fn histogram<D: Dimension>(&mut self, tag: &str, step: u64, values: &ArrayRef<f32, D>) -> Result<(), LogError> {
        let finite = || values.iter().map(|&value| f64::from(value)).filter(|value| value.is_finite());
        let (low, high) = finite().fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), v| (l.min(v), h.max(v)));
        if low > high {
            return Ok(());
        }
        // Equal numbers have a bin of some width, too.
        let width = if high > low { (high - low) / BINS as f64 } else { (low.abs() * 1e-6).max(f64::MIN_POSITIVE) };
        let mut counts = [0.0; BINS];
        finite().for_each(|value| counts[(((value - low) / width) as usize).min(BINS - 1)] += 1.0);
        let limits: Vec<f64> = (1..=BINS)
            .map(|bin| if bin == BINS { high.max(low + BINS as f64 * width) } else { low + bin as f64 * width })
            .collect();
        let sums = finite().fold([0.0; 3], |[n, sum, squares], v| [n + 1.0, sum + v, squares + v * v]);
        self.summary(step, messages::histogram(tag, [low, high], sums, &limits, &counts))
    }

    /// Adds an image with values from 0 (black) to 1 (white; what lies outside is clamped): `[h, w]`, `[1, h, w]`, or
    /// `[3, h, w]` for red, green and blue.
    ///
    /// # Errors
    /// [`LogError::Image`] for another shape; [`LogError::Write`].
    pub fn image<D: Dimension>(&mut self, tag: &str, step: u64, image: &ArrayRef<f32, D>) -> Result<(), LogError> {
        let (channels, height, width) = match *image.shape() {
            [h, w] if h * w > 0 => (1, h, w),
            [c @ (1 | 3), h, w] if h * w > 0 => (c, h, w),
            ref shape => return Err(LogError::Image { tag: tag.to_owned(), found: shape.to_vec() }),
        };
        let planes: Vec<u8> = image.iter().map(|value| (value.clamp(0.0, 1.0) * 255.0).round() as u8).collect();
        let plane = height * width;
        let pixels: Vec<u8> =
            (0..plane).flat_map(|i| (0..channels).map(move |c| c * plane + i)).map(|i| planes[i]).collect();
        self.summary(step, messages::image(tag, [height, width, channels], &png(channels, height, width, &pixels)))
    }

    /// Adds a text, which may be Markdown.
    ///
    /// # Errors
    /// [`LogError::Write`].
    pub fn text(&mut self, tag: &str, step: u64, text: &str) -> Result<(), LogError> {
        self.summary(step, messages::text(tag, text))
    }

    /// Adds a graph: its operations, grouped by layers, with the shapes of what they give.
    ///
    /// # Errors
    /// [`LogError::Write`].
    pub fn graph(&mut self, graph: &Graph) -> Result<(), LogError> {
        let mut nodes = Message::default();
        let names: Vec<String> = graph.ids().map(|id| node_name(graph, id)).collect();
        for (id, name) in graph.ids().zip(&names) {
            let node = graph.node(id);
            let inputs: Vec<&str> = node.inputs.iter().map(|input| names[input.index()].as_str()).collect();
            nodes.message(1, &messages::node(name, node.op.mnemonic(), &inputs, node.ty.shape.dims()));
        }
        for output in &graph.outputs {
            let from = [names[output.node.index()].as_str()];
            let shape = graph.shape(output.node);
            nodes.message(1, &messages::node(&format!("outputs/{}", output.name), "output", &from, shape.dims()));
        }
        self.event(0, |event| event.message(4, &nodes))
    }

    fn summary(&mut self, step: u64, value: Message) -> Result<(), LogError> {
        let mut summary = Message::default();
        summary.message(1, &value);
        self.event(step, |event| event.message(5, &summary))
    }

    fn event(&mut self, step: u64, what: impl FnOnce(&mut Message)) -> Result<(), LogError> {
        if !self.file.is_open() {
            self.open(|_| true)?;
        }
        let mut event = event_at(step);
        what(&mut event);
        self.file.write(&records::record(event.bytes()))
    }

    /// Opens the file, with the events whose step is to be kept, and the mark of its format at its beginning.
    fn open(&mut self, keeps: impl Fn(u64) -> bool) -> Result<(), LogError> {
        let mut kept = 0;
        self.file.open(|bytes| {
            kept = records::whole(bytes, |event| messages::step(event).is_some_and(&keeps));
            Ok(kept)
        })?;
        if kept == 0 {
            let mut event = event_at(0);
            event.bytes_of(3, b"brain.Event:2");
            let written = self.file.write(&records::record(event.bytes()));
            // The next event tries again, as nothing may come before it.
            return written.inspect_err(|_| self.file.close());
        }
        Ok(())
    }
}

fn event_at(step: u64) -> Message {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let mut event = Message::default();
    event.double(1, now.as_secs_f64());
    event.number(2, step);
    event
}

/// What a node is called: its stage, its layer, its function and its operation, as a path.
fn node_name(graph: &Graph, id: kiln_graph::NodeId) -> String {
    if let Some(input) = graph.inputs.iter().find(|input| input.node == id) {
        let group = if input.role == Role::State { "states" } else { "inputs" };
        return format!("{group}/{}", input.name.replace('.', "/"));
    }
    let scope = graph.scope(id);
    let stage = match scope.stage {
        Stage::Forward => "forward",
        Stage::Backward => "backward",
        Stage::Update => "update",
    };
    let layer = scope.layer.replace('.', "/");
    let operation = format!("{}_{}", graph.node(id).op.mnemonic(), id.index());
    let parts = [stage, &layer, scope.function, &operation];
    parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("/")
}

/// What the histogram of a state is called: of a parameter `fc/weight`, of its gradient `gradients/fc/weight`; other states
/// have none.
fn state_tag(parameters: &[String], state: &str) -> Option<String> {
    let is_parameter = |name: &str| parameters.iter().any(|parameter| parameter == name);
    if is_parameter(state) {
        return Some(state.replace('.', "/"));
    }
    // Before it may stand the optimizer's name.
    let of = state.strip_suffix(GRADIENT)?.strip_suffix('.')?;
    let rests = of.match_indices('.').map(|(dot, _)| &of[dot + 1..]);
    let parameter = std::iter::once(of).chain(rests).find(|name| is_parameter(name))?;
    Some(format!("gradients/{}", parameter.replace('.', "/")))
}

impl Log for TensorBoard {
    fn begin(&mut self, start: &Start<'_>) -> Result<(), LogError> {
        let path = self.file.path().to_owned();
        if !start.resumed && std::fs::metadata(&path).is_ok_and(|found| found.len() > 0) {
            return Err(LogError::Occupied { path });
        }
        // At step 0 stands what a training begins with, which this one writes itself.
        self.open(|step| start.step > 0 && step <= start.step)?;
        self.parameters.clone_from(&start.facts.parameters);
        match &start.facts.program {
            Some(graph) if start.step == 0 => self.graph(graph),
            _ => Ok(()),
        }
    }

    fn add(&mut self, row: &Row<'_>) -> Result<(), LogError> {
        for (name, figure) in row.figures {
            let tag = match name.split_once('.') {
                Some((group @ ("step" | "train" | "valid"), figure)) => format!("{figure}/{group}"),
                _ => name.replace('.', "/"),
            };
            self.scalar(&tag, row.step, *figure)?;
        }
        if row.epoch.is_none() {
            return Ok(());
        }
        let mut result = Ok(());
        let mut of_state = |name: &str, value: ArrayD<f32>| {
            if let (Ok(()), Some(tag)) = (&result, state_tag(&self.parameters, name)) {
                result = self.histogram(&tag, row.step, &value);
            }
        };
        (row.states)(&mut of_state);
        result
    }
}
