//! Drawings of graphs: which layers there are, which values pass between them, where gradients go and where they are
//! cut, and which kernels compute it all; as an HTML file for browsers or as a DOT file for Graphviz. What a box shows
//! is `outline.rs`'s, where it stands `order.rs`'s; this file knows models and paths.

mod dot;
mod flow;
mod html;
mod kernels;
mod order;
mod outline;

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};

use kiln_graph::{Graph, Model, Parameters, optimize};
use kiln_jit::{CompileError, CompileOptions, Plan};

use crate::files::replace_file_and_folder;
use crate::trainer::{TrainError, predict_graph};

/// Why there is no drawing.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DrawError {
    /// The file could not be written.
    #[error("cannot write the drawing to {}: {error}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the file system says.
        #[source]
        error: io::Error,
    },
    /// The layers do not go together.
    #[error(transparent)]
    Model(#[from] TrainError),
    /// The graph could not be planned.
    #[error(transparent)]
    Plan(#[from] CompileError),
}

/// A drawing of a graph.
///
/// It shows each use of a layer as a box, layers within layers as boxes that open and close, functions of several
/// operations (`relu`, a loss) and other operations as small boxes; the shapes of the values that pass between them; beside
/// the forward side the backward side, on which only what has a gradient is drawn in full; each `detach` as a cut. With
/// the [plan](Drawing::plan) of the graph it also says which kernels compute a box (those of one number are one fused
/// kernel), and what they cost.
///
/// [`DrawGraph`] draws a model, [`Trainer::graph_html`](crate::Trainer::graph_html) a training step; this draws any
/// graph, as it was before [`optimize`]:
///
/// ```
/// use kiln::graph::{Builder, Type};
/// use kiln::report::Drawing;
///
/// let g = Builder::new("step");
/// let [x, w] = [g.input("x", [8, 4]), g.state("w", Type::f32([4, 2]))];
/// g.output("y", x.matmul(w).relu());
/// let graph = g.finish()?;
/// let html = Drawing::new(&graph).html();
/// assert!(html.contains("[8, 2]"));
/// # Ok::<(), kiln::graph::GraphError>(())
/// ```
#[derive(Clone, Debug)]
#[must_use = "a drawing does nothing until it is saved"]
pub struct Drawing<'a> {
    graph: &'a Graph,
    plan: Option<&'a Plan>,
    layers: HashMap<String, String>,
}

impl<'a> Drawing<'a> {
    /// A drawing of a graph that was not optimized yet: optimizing takes its `detach`es away.
    pub fn new(graph: &'a Graph) -> Drawing<'a> {
        Drawing { graph, plan: None, layers: HashMap::new() }
    }

    /// Shows the kernels of the plan, which must be that of this very graph (optimized or not).
    pub fn plan(mut self, plan: &'a Plan) -> Drawing<'a> {
        self.plan = Some(plan);
        self
    }

    /// Says what the layers are: `Conv2d(1, 20, kernel 5)`. Models of which one holds the other are given as that one;
    /// for several, this is called for each with the name under which its layers stand in the graph (empty for none).
    pub fn layers(mut self, name: &str, model: &impl Parameters) -> Drawing<'a> {
        let within = if name.is_empty() { String::new() } else { format!("{name}.") };
        model.each_layer(&mut |name, layer| {
            self.layers.insert(format!("{within}{name}"), layer.to_owned());
        });
        self
    }

    /// The drawing as one HTML file that needs nothing else.
    pub fn html(&self) -> String {
        html::html(&outline::Outline::new(self.graph, &self.layers, self.plan), self.graph, self.plan)
    }

    /// The drawing in Graphviz's language: values in blue, gradients dashed.
    pub fn dot(&self) -> String {
        dot::dot(&outline::Outline::new(self.graph, &self.layers, self.plan), self.graph)
    }

    /// Writes [`Drawing::html`] to a file, whose folder is made if it is not there.
    ///
    /// # Errors
    /// [`DrawError::Write`].
    pub fn save_html(&self, path: impl AsRef<Path>) -> Result<(), DrawError> {
        save(path.as_ref(), &self.html())
    }

    /// Writes [`Drawing::dot`] to a file, whose folder is made if it is not there.
    ///
    /// # Errors
    /// [`DrawError::Write`].
    pub fn save_dot(&self, path: impl AsRef<Path>) -> Result<(), DrawError> {
        save(path.as_ref(), &self.dot())
    }
}

fn save(path: &Path, text: &str) -> Result<(), DrawError> {
    replace_file_and_folder(path, text.as_ref()).map_err(|error| DrawError::Write { path: path.to_owned(), error })
}

/// Draws what a model computes for one sample: every [`Model`] has these methods.
///
/// ```
/// use kiln::prelude::*;
///
/// #[derive(Model)]
/// #[model(input = [4])]
/// struct Classifier {
///     fc1: Linear<4, 16>,
///     act: ReLU,
///     fc2: Linear<16, 3>,
/// }
///
/// # let program = std::env::current_exe()?;
/// # let folder = program.parent().unwrap();
/// Classifier::init(0).graph_html(folder.join("classifier.html"))?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait DrawGraph {
    /// Writes the drawing as one HTML file, to be opened in a browser.
    ///
    /// # Errors
    /// [`DrawError`].
    fn graph_html(&self, path: impl AsRef<Path>) -> Result<(), DrawError>;

    /// Writes the drawing for Graphviz: `dot -Tsvg model.dot > model.svg`.
    ///
    /// # Errors
    /// [`DrawError`].
    fn graph_dot(&self, path: impl AsRef<Path>) -> Result<(), DrawError>;
}

impl<M: Model> DrawGraph for M {
    fn graph_html(&self, path: impl AsRef<Path>) -> Result<(), DrawError> {
        let graph = predict_graph(self, 1)?;
        let plan = CompileOptions::default().plan(&optimize(&graph))?;
        Drawing::new(&graph).plan(&plan).layers("", self).save_html(path)
    }

    fn graph_dot(&self, path: impl AsRef<Path>) -> Result<(), DrawError> {
        Drawing::new(&predict_graph(self, 1)?).layers("", self).save_dot(path)
    }
}
