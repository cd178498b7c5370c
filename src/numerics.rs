//! Where NaN and infinity come from: the report of a builder's `check_numerics(true)`.
//!
//! Compiled kernels keep no values in between. So a run whose results hold NaN or infinity is taken back and computed
//! again from the same inputs, states and random numbers, node by node, by the definition of each operation, until the
//! first node is found that made one out of finite numbers. This file says what was found; `numerics/checked.rs` looks
//! and replays, `numerics/advice.rs` says what to do.

mod advice;
mod checked;
mod nodes;
mod words;

use std::fmt;

use kiln_graph::interpret::{Cause, Findings, Source, Used};
use kiln_graph::{Graph, Line, Op, Scope, Shape, Stage};
use kiln_jit::Plan;
use kiln_jit::plan::Part;

pub(crate) use checked::Checked;
use words::{counted, list, number, ordinal, word};

/// What made a NaN or an infinity in a run, of which nothing is left: parameters, running statistics, what optimizers keep and
/// random numbers are as they were before it. It prints.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct NonFinite {
    /// The program: `train`, or the name of a step.
    pub program: String,
    /// The operation, by PyTorch's name: `log`. Of a gradient it is that which computes it, such as `div`.
    pub operation: &'static str,
    /// For a gradient the operation that it is the gradient of: `sqrt`.
    pub gradient_of: Option<&'static str>,
    /// How it came about.
    pub cause: Cause,
    /// Whether it was in the forward pass, in a gradient or in the update of a parameter.
    pub stage: Stage,
    /// Where the user's source asks for the operation; nothing outside of bodies that a macro reads.
    pub line: Option<Line>,
    /// The layer: `head.norm`; empty outside of layers.
    pub layer: String,
    /// The function, the loss or the optimizer: `cross_entropy`, `Adam`; empty outside of those.
    pub function: &'static str,
    /// Of an update, or of a gradient that reaches one parameter alone, the parameter.
    pub parameter: Option<String>,
    /// The kernel that computes the operation, by its name in profiles and plans.
    pub kernel: Option<String>,
    /// The step of a recurrent layer, from 0.
    pub step: Option<usize>,
    /// The shape of the result.
    pub shape: Shape,
    /// The first place in the result that is not finite.
    pub index: Vec<usize>,
    /// What is there.
    pub found: f32,
    /// How many elements of the result are not finite.
    pub count: usize,
    /// The sample of the batch, from 0, where the place tells it.
    pub sample: Option<usize>,
    /// What the operation was given.
    pub operands: Vec<Operand>,
    /// The results that are not finite by it: outputs, parameters, other states.
    pub reaches: Vec<String>,
    /// What usually is the cause, and what to do.
    pub advice: Vec<String>,
}

/// An operand of an operation.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Operand {
    /// The input or the parameter that it is, if it is one.
    pub name: Option<String>,
    /// Its shape.
    pub shape: Shape,
    /// What it holds at the place of the result; nothing where the result is computed from several of its elements.
    pub there: Option<f32>,
    /// Its smallest and its largest number; nothing of truth values.
    pub range: Option<(f32, f32)>,
}

impl NonFinite {
    fn new(graph: &Graph, plan: &Plan, findings: &Findings, source: &Source) -> NonFinite {
        let scope_number = graph.node(source.node).scope;
        let scope = &graph.scopes[scope_number as usize];
        let position = findings.sources.iter().position(|other| std::ptr::eq(other, source));
        let reached: Vec<usize> =
            findings.results.iter().filter(|(_, of)| *of == position).map(|(at, _)| *at).collect();
        let updated = |result: &usize| {
            let update = graph.updates.get(result.checked_sub(graph.outputs.len())?)?;
            Some(graph.inputs[update.input].name.clone())
        };
        let mut parameters = reached.iter().filter_map(updated);
        let parameter = match scope.stage {
            Stage::Forward => None,
            Stage::Backward => parameters.next().filter(|_| parameters.next().is_none()),
            Stage::Update => parameters.next(),
        };
        let name =
            |result: &usize| graph.outputs.get(*result).map(|output| output.name.clone()).or_else(|| updated(result));
        let input = || graph.inputs.iter().find(|input| input.node == source.node).map(|input| input.name.clone());
        let mut report = NonFinite {
            program: graph.name.clone(),
            operation: word(&source.op),
            gradient_of: words::of_mnemonic(scope.operation).filter(|_| scope.stage == Stage::Backward),
            cause: source.cause,
            stage: scope.stage,
            line: graph.line(scope_number),
            layer: scope.layer.clone(),
            function: function(graph, scope, word(&source.op)),
            parameter: if source.op == Op::Input { input() } else { parameter },
            kernel: kernel(graph, plan, scope_number, source.op.mnemonic()),
            step: source.step.map(|(_, step)| step),
            shape: source.ty.shape,
            index: source.index.clone(),
            found: source.found,
            count: source.count,
            sample: source.sample,
            operands: source.operands.iter().map(Operand::new).collect(),
            reaches: reached.iter().filter_map(name).collect(),
            advice: Vec::new(),
        };
        report.advice = advice::of(&report);
        report
    }
}

impl Operand {
    fn new(used: &Used) -> Operand {
        Operand { name: used.input.clone(), shape: used.ty.shape, there: used.there, range: used.range }
    }
}

/// The function, the loss or the optimizer around a scope that is more than one operation.
fn function(graph: &Graph, scope: &Scope, operation: &str) -> &'static str {
    let mut at = scope;
    loop {
        let told = at.function.is_empty() || at.function == operation;
        match (told, at.outer) {
            (false, _) => return at.function,
            (true, 0) => return "",
            (true, _) => {}
        }
        at = &graph.scopes[at.outer as usize];
    }
}

/// The name of the kernel that computes an operation of a scope; nothing where that was computed while compiling. Equal
/// nodes are computed once, under the scope of one of them.
fn kernel(graph: &Graph, plan: &Plan, scope: u32, operation: &str) -> Option<String> {
    let find = |wanted: &dyn Fn(&Part) -> bool| plan.calls.iter().find(|call| call.parts.iter().any(wanted));
    let of = &graph.scopes[scope as usize];
    let is_alike = |part: &Part| {
        let other = &graph.scopes[part.scope as usize];
        part.operation == operation && (other.stage, &other.layer) == (of.stage, &of.layer)
    };
    let call = find(&|part| part.scope == scope && part.operation == operation);
    let call = call.or_else(|| find(&|part| part.scope == scope)).or_else(|| find(&is_alike));
    call.map(|call| call.label.clone())
}

impl fmt::Display for NonFinite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let found = number(self.found);
        let what = match (self.gradient_of, self.stage) {
            (Some(of), _) => format!("the gradient of `{of}` (by `{}`)", self.operation),
            (None, Stage::Update) if !self.function.is_empty() => format!("`{}` of {}", self.operation, self.function),
            (None, _) => format!("`{}`", self.operation),
        };
        let pass = match self.stage {
            Stage::Forward => "in the forward pass".to_owned(),
            Stage::Backward => "in the backward pass".to_owned(),
            Stage::Update => match &self.parameter {
                Some(parameter) => format!("in the update of `{parameter}`"),
                None => "in the update".to_owned(),
            },
        };
        match (self.cause, &self.parameter) {
            (Cause::Made, _) => write!(f, "{what} made {found} out of finite numbers {pass} of `{}`", self.program)?,
            (Cause::OfGiven, _) => {
                write!(f, "{what} made {found} of infinities of inputs or constants {pass} of `{}`", self.program)?;
            }
            (Cause::Given, Some(name)) => write!(f, "`{name}` held {found} before `{}` ran", self.program)?,
            (Cause::Given, None) => write!(f, "a constant of `{}` is {found}", self.program)?,
        }
        if let Some(line) = self.line {
            write!(f, "\n  at        {line}")?;
        }
        let mut place = Vec::new();
        if !self.layer.is_empty() {
            let what = if self.stage == Stage::Update { "optimizer" } else { "layer" };
            place.push(format!("{what} `{}`", self.layer));
        }
        if !self.function.is_empty() && self.stage != Stage::Update {
            place.push(format!("`{}`", self.function));
        }
        if let Some(step) = self.step {
            place.push(format!("step {step} of its sequence"));
        }
        if !place.is_empty() {
            write!(f, "\n  in        {}", place.join(", "))?;
        }
        if let Some(kernel) = &self.kernel {
            write!(f, "\n  kernel    {kernel}")?;
        }
        write!(f, "\n  result    {}", self.shape)?;
        match self.index.len() {
            0 => write!(f, ": {found}")?,
            _ => {
                let total = self.shape.elements();
                write!(f, ": {found} at {:?}; not finite are {} of {total}", self.index, self.count)?;
            }
        }
        if let Some(sample) = self.sample {
            write!(f, "; sample {sample} of the batch")?;
        }
        for (position, operand) in self.operands.iter().enumerate() {
            write!(f, "\n  {:9} {operand}", ordinal(position, self.operands.len()))?;
        }
        if !self.reaches.is_empty() {
            write!(f, "\n  spoils    {}", list(&self.reaches, 4))?;
        }
        for advice in &self.advice {
            write!(f, "\n  advice    {advice}")?;
        }
        write!(f, "\nThe model is as it was before this call.")
    }
}

impl fmt::Display for Operand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(name) = &self.name {
            write!(f, "`{name}` ")?;
        }
        write!(f, "{}", self.shape)?;
        match self.there {
            Some(there) if self.shape.rank() > 0 => write!(f, ": {} there", number(there))?,
            Some(there) => write!(f, ": {}", number(there))?,
            None => {}
        }
        match self.range {
            Some((least, most)) if self.shape.rank() > 0 => {
                let begin = if self.there.is_some() { ", all" } else { ": all" };
                write!(f, "{begin} from {} to {}", number(least), number(most))
            }
            _ => Ok(()),
        }
    }
}

/// NaN or infinity in the results of a run that the replay does not have.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Unexplained {
    /// The program: `train`, or the name of a step.
    pub program: String,
    /// The results that are not finite: outputs, parameters, other states.
    pub results: Vec<String>,
}

impl fmt::Display for Unexplained {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Unexplained { program, results } = self;
        write!(
            f,
            "`{program}` gave NaN or infinity in {} ({}), but computed again, operation by operation, all is finite: numbers \
             come near the largest of f32 (3.4e38), and sums in other orders, or Winograd's transforms, exceed it; \
             `.exact()` on the builder takes no such transforms, smaller numbers (a normalisation, `clip_grad_norm`, a lower \
             rate) are the cure. The model is as it was before this call.",
            counted(results.len(), "result"),
            list(results, 4)
        )
    }
}
