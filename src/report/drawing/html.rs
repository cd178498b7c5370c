//! A drawing as one HTML file, which is well-formed XML too: boxes in grids, which the browser measures; the lines
//! between them are drawn by the file's own script. Nothing is loaded from anywhere.

use std::collections::{BTreeSet, HashMap};
use std::fmt::Write as _;

use kiln_graph::{Graph, Stage};
use kiln_jit::Plan;

use super::order;
use super::outline::{Diagram, Edge, Item, Kind, Outline, State, is_port};
use crate::report::profile::lines;
use crate::report::text::{escape, places, si, thousands};

/// Drawings of more boxes start with the boxes within boxes closed, those of more again with all boxes closed.
const MANY: [usize; 2] = [60, 200];

/// So many kernels are named at a box, and at one of one line; the others are counted.
const CHIPS: usize = 6;
const FEW_CHIPS: usize = 3;

/// The file's text.
pub fn html(outline: &Outline, graph: &Graph, plan: Option<&Plan>) -> String {
    let title = escape(&graph.name);
    let backward = outline.items.iter().any(|item| item.gradient);
    let mut page = Page { outline, plan, text: String::new(), edges: Vec::new(), backward: false, closed_from: 0 };
    let boxes = outline.items.iter().filter(|item| !is_port(item)).count();
    page.closed_from = if boxes > MANY[1] {
        0
    } else if boxes > MANY[0] {
        1
    } else {
        usize::MAX
    };
    page.push(
        "<!DOCTYPE html>\n<html lang=\"en\" xmlns=\"http://www.w3.org/1999/xhtml\"><head><meta charset=\"utf-8\"/>",
    );
    page.push("<meta name=\"viewport\" content=\"width=device-width\"/>");
    let style = concat!(include_str!("../colours.css"), include_str!("page.css"));
    page.push(&format!("<title>{title}</title><style>/*<![CDATA[*/\n{style}/*]]>*/</style></head>\n<body>"));
    page.header(&title, backward);
    page.push("<div class=\"page\"><div class=\"panes\">");
    page.pane("forward", &outline.root);
    if backward {
        page.backward = true;
        page.pane("backward", &outline.root);
    }
    page.push("</div>\n<aside id=\"inspector\"><h3>Point at a box</h3><p>What it computes, its parameters and its kernels are shown here; ");
    page.push("boxes that share a kernel light up. A click on a title opens or closes a box.</p></aside></div>\n");
    if let Some(plan) = plan {
        page.kernels(graph, plan);
    }
    let edges = page.edges.join(",\n");
    let script = include_str!("page.js");
    page.push(&format!("<script>//<![CDATA[\nconst EDGES = [\n{edges}];\n{script}//]]></script>\n</body></html>\n"));
    page.text
}

struct Page<'a> {
    outline: &'a Outline,
    plan: Option<&'a Plan>,
    text: String,
    /// The edges as rows of the script's table.
    edges: Vec<String>,
    /// Whether the backward side is being written.
    backward: bool,
    /// Boxes with boxes in them start closed from this depth on.
    closed_from: usize,
}

/// What is still to be written of a pane.
enum Pending<'a> {
    /// A diagram at a depth.
    Diagram(&'a Diagram, usize),
    /// An item of a diagram at a depth, with its place.
    Item(usize, String, usize),
    /// What stands behind what is in an item.
    Foot(usize),
    /// The places that the edges from an item pass.
    Trunk(usize, Vec<order::Place>),
    /// An edge, and how many of these places it passes.
    Edge(&'a Edge, usize),
    /// This.
    Text(&'static str),
}

impl<'a> Page<'a> {
    fn push(&mut self, text: &str) {
        self.text.push_str(text);
    }

    fn header(&mut self, title: &str, backward: bool) {
        self.push(&format!("<header><h1>{title}</h1>"));
        if let Some(plan) = self.plan {
            self.push(&format!(
                "<p class=\"facts\"><b>{}</b> kernel calls, <b>{}FLOP</b>, <b>{}B</b> moved; <b>{}B</b> of memory: {}B for what lies \
                 in between, {}B for parameters and other states</p>",
                plan.calls.len(),
                si(plan.flops()),
                si(plan.bytes()),
                si(plan.peak_bytes() as u64),
                si(plan.arena_bytes as u64),
                si(plan.state_bytes() as u64),
            ));
        }
        self.push("<nav><span><button id=\"open\">open all</button> <button id=\"close\">close all</button></span>");
        let is_cut = self.outline.items.iter().any(|item| item.kind == Kind::Cut);
        let keys = [
            ("forward", "none", "values", true),
            ("backward", "none", "gradients", backward),
            ("cut", "5 4", "detached: no gradient passes", is_cut),
        ];
        for (colour, dashes, text, _) in keys.iter().filter(|key| key.3) {
            let line = format!("stroke=\"var(--{colour})\" stroke-width=\"2\" stroke-dasharray=\"{dashes}\"");
            self.push(&format!(
                "<span class=\"key\"><svg width=\"26\" height=\"8\"><line x1=\"0\" y1=\"4\" x2=\"26\" y2=\"4\" {line}/></svg>{text}</span>"
            ));
        }
        if self.plan.is_some() {
            self.push("<span class=\"key\"><span class=\"chip\" style=\"--hue: 217\">3</span>kernels; the same number is one kernel</span>");
        }
        self.push("</nav></header>\n");
    }

    fn pane(&mut self, id: &str, root: &'a Diagram) {
        let arrow = if self.backward { "b-arrow" } else { "f-arrow" };
        self.push(&format!("<section class=\"pane\" id=\"{id}\"><h2>{id}</h2><div class=\"canvas\">"));
        self.push("<svg class=\"edges\" xmlns=\"http://www.w3.org/2000/svg\"><defs>");
        self.push(&format!(
            "<marker id=\"{arrow}\" viewBox=\"0 0 8 8\" refX=\"7\" refY=\"4\" markerWidth=\"7\" markerHeight=\"7\" \
             markerUnits=\"userSpaceOnUse\" orient=\"auto\"><path d=\"M0 0 L8 4 L0 8 z\"/></marker></defs></svg>"
        ));
        self.boxes(root);
        self.push("</div></section>\n");
    }

    /// Writes a diagram with all that is in its boxes.
    fn boxes(&mut self, root: &'a Diagram) {
        // What is still to be written, the next last: boxes lie within boxes to any depth.
        let mut open = vec![Pending::Diagram(root, 0)];
        while let Some(next) = open.pop() {
            match next {
                Pending::Diagram(diagram, depth) => self.diagram(diagram, depth, &mut open),
                Pending::Item(number, area, depth) => {
                    let inside = self.item(number, &area, depth);
                    open.push(Pending::Foot(number));
                    if let Some(inside) = inside {
                        open.push(Pending::Text("</div>"));
                        open.push(Pending::Diagram(inside, depth + 1));
                    }
                }
                Pending::Foot(number) => self.foot(number),
                Pending::Trunk(from, places) => self.trunk(from, &places),
                Pending::Edge(edge, lanes) => self.edge(edge, lanes),
                Pending::Text(text) => self.push(text),
            }
        }
    }

    fn diagram(&mut self, diagram: &'a Diagram, depth: usize, open: &mut Vec<Pending<'a>>) {
        let positions: HashMap<usize, usize> = diagram.items.iter().enumerate().map(|(at, &item)| (item, at)).collect();
        let ends: Vec<(usize, usize)> =
            diagram.edges.iter().map(|edge| (positions[&edge.from], positions[&edge.to])).collect();
        let is_end = |item: &&usize| self.outline.items[**item].kind == Kind::Exit;
        let exits = diagram.items.iter().rev().take_while(is_end).count();
        let layout = order::place(diagram.items.len(), &ends, exits);
        self.push(if depth == 0 { "<div class=\"diagram\">" } else { "<div class=\"diagram inside\">" });
        open.push(Pending::Text("</div>"));
        let edges = diagram.edges.iter().zip(layout.lanes);
        open.extend(edges.map(|(edge, lanes)| Pending::Edge(edge, lanes)).rev());
        let trunks = diagram.items.iter().zip(layout.trunks);
        open.extend(trunks.rev().map(|(&item, places)| Pending::Trunk(item, places)));
        let items = diagram.items.iter().zip(&layout.boxes);
        open.extend(items.rev().map(|(&item, &(row, column))| {
            Pending::Item(item, format!("grid-area: {} / {}", row + 1, column + 1), depth)
        }));
    }

    fn trunk(&mut self, from: usize, places: &[order::Place]) {
        for (position, &(row, column)) in places.iter().enumerate() {
            let (side, area) = (self.side(), format!("{} / {}", row + 1, column + 1));
            self.push(&format!("<i class=\"lane\" id=\"{side}L{from}_{position}\" style=\"grid-area: {area}\"></i>"));
        }
    }

    fn edge(&mut self, edge: &Edge, lanes: usize) {
        if !self.backward {
            let port = |port: Option<usize>| port.map_or("null".to_owned(), |port| port.to_string());
            let Edge { from, to, exit, entrance, gradient, .. } = edge;
            let (exit, entrance, gradient) = (port(*exit), port(*entrance), u8::from(*gradient));
            self.edges.push(format!("[{from},{to},{exit},{entrance},{gradient},{lanes}]"));
        }
    }

    fn side(&self) -> char {
        if self.backward { 'b' } else { 'f' }
    }

    /// Writes an item up to what is in it, which it gives.
    fn item(&mut self, number: usize, area: &str, depth: usize) -> Option<&'a Diagram> {
        let outline = self.outline;
        let item = &outline.items[number];
        let (side, still) = (self.side(), if self.backward && !item.gradient { " still" } else { "" });
        if is_port(item) {
            self.push(&format!("<i class=\"port{still}\" id=\"{side}{number}\" style=\"{area}\"></i>"));
            return None;
        }
        let kernels = self.kernels_here(item);
        let list: Vec<String> = kernels.iter().map(usize::to_string).collect();
        let family = family(item);
        let block = match &item.inside {
            Some(_) if depth >= self.closed_from => " block closed",
            Some(_) => " block",
            None => "",
        };
        self.push(&format!(
            "\n<div class=\"item {family}{block}{still}\" id=\"{side}{number}\" data-item=\"{number}\" data-kernels=\"{}\" style=\"{area}\">",
            list.join(" ")
        ));
        let title = escape(&item.title);
        match &item.inside {
            Some(_) => {
                self.push("<div class=\"box\"><div class=\"head\" tabindex=\"0\">");
                self.lines(&title, &contents(item), &kernels);
                self.push("</div>");
            }
            None if item.kind == Kind::Cut => {
                let text = if self.backward { "no gradient passes" } else { "✂ detach" };
                self.push(&format!("<div class=\"box\" tabindex=\"0\"><span>{text}</span></div>"));
            }
            None if is_small(item) => {
                self.push(&format!("<div class=\"box\" tabindex=\"0\"><span class=\"title\">{title}</span>"));
                self.chips(&kernels, FEW_CHIPS);
                self.push("</div>");
            }
            None => {
                let detail = if self.backward { trained(item) } else { escape(&item.detail) };
                self.push("<div class=\"box\" tabindex=\"0\">");
                self.lines(&title, &detail, &kernels);
                self.push("</div>");
            }
        }
        item.inside.as_ref()
    }

    /// Writes what stands behind what is in an item.
    fn foot(&mut self, number: usize) {
        let item = &self.outline.items[number];
        if is_port(item) {
            return;
        }
        if item.kind != Kind::Result {
            self.push(&format!("<div class=\"shape\">{}</div>", escape(&item.shape)));
        }
        self.tip(item);
        self.push("</div>");
    }

    fn lines(&mut self, title: &str, detail: &str, kernels: &BTreeSet<usize>) {
        self.push(&format!("<span class=\"title\">{title}</span><span class=\"detail\">{detail}</span>"));
        self.chips(kernels, CHIPS);
    }

    /// The kernels that are shown at a box on the present side.
    fn kernels_here(&self, item: &Item) -> BTreeSet<usize> {
        let [forward, backward, update] = &item.kernels;
        if self.backward { backward | update } else { forward.clone() }
    }

    fn chips(&mut self, kernels: &BTreeSet<usize>, most: usize) {
        if self.plan.is_none() {
            return;
        }
        self.push("<span class=\"chips\">");
        for &kernel in kernels.iter().take(most) {
            self.chip(kernel);
        }
        if kernels.len() > most {
            self.push(&format!("<span class=\"chip more\">+{}</span>", kernels.len() - most));
        }
        self.push("</span>");
    }

    fn chip(&mut self, kernel: usize) {
        self.push(&format!(
            "<span class=\"chip\" data-kernel=\"{kernel}\" style=\"--hue: {}\">{kernel}</span>",
            hue(kernel)
        ));
    }

    /// What is shown when one points at a box.
    fn tip(&mut self, item: &Item) {
        self.push(&format!("<div class=\"tip\"><h3>{}</h3>", escape(&item.title)));
        if !item.detail.is_empty() {
            self.push(&format!("<p>{}</p>", escape(&item.detail)));
        }
        if !item.line.is_empty() {
            self.push(&format!("<p>at <code>{}</code></p>", escape(&item.line)));
        }
        if !matches!(item.kind, Kind::Data | Kind::Result) || item.detail.is_empty() {
            self.push(&format!("<p>gives <code>{}</code></p>", escape(&item.shape)));
        }
        match item.kind {
            Kind::Cut => self.push("<p class=\"warn\">The value passes, its gradient does not.</p>"),
            Kind::Layer if !item.gradient && self.backward => {
                self.push("<p class=\"warn\">No gradient is computed in it.</p>")
            }
            _ => {}
        }
        if !item.states.is_empty() {
            self.push("<h4>parameters and other states</h4><table>");
            for State { name, ty, update, is_new, .. } in &item.states {
                let update = match update {
                    Some(Stage::Update) if *is_new => "used as updated before",
                    Some(Stage::Update) => "trained",
                    Some(Stage::Forward | Stage::Backward) => "updated by the forward pass",
                    None => "not changed",
                };
                self.push(&format!(
                    "<tr><td><code>{}</code></td><td><code>{ty}</code></td><td>{update}</td></tr>",
                    escape(name)
                ));
            }
            self.push("</table>");
        }
        let Some(plan) = self.plan else { return self.push("</div>") };
        for (name, kernels) in ["forward", "backward", "update"].iter().zip(&item.kernels) {
            if kernels.is_empty() {
                continue;
            }
            let calls = kernels.iter().map(|&kernel| &plan.calls[kernel]);
            let (flops, bytes) = calls.fold((0, 0), |(flops, bytes), call| (flops + call.flops, bytes + call.bytes));
            self.push(&format!("<h4>{name}: {}FLOP, {}B</h4><table>", si(flops), si(bytes)));
            for &kernel in kernels.iter().take(3 * CHIPS) {
                let call = &plan.calls[kernel];
                self.push("<tr><td>");
                self.chip(kernel);
                self.push(&format!("</td><td>{}</td></tr>", escape(&call.label)));
            }
            self.push("</table>");
            if kernels.len() > 3 * CHIPS {
                self.push(&format!("<p>and {} more</p>", kernels.len() - 3 * CHIPS));
            }
        }
        self.push("</div>");
    }

    fn kernels(&mut self, graph: &Graph, plan: &Plan) {
        self.push("<section class=\"kernels\"><h2>kernels, in the order in which they run</h2><table><thead><tr><th></th><th>stage</th>");
        self.push("<th>layer and fused operations</th><th>FLOP</th><th></th><th>bytes</th><th></th><th>FLOP / byte</th></tr></thead><tbody>");
        let most = |of: fn(&kiln_jit::plan::Call) -> u64| plan.calls.iter().map(of).max().unwrap_or(0).max(1) as f64;
        let (most_flops, most_bytes) = (most(|call| call.flops), most(|call| call.bytes));
        for (number, call) in plan.calls.iter().enumerate() {
            let stages: BTreeSet<&str> =
                call.parts.iter().map(|part| stage(graph.scopes[part.scope as usize].stage)).collect();
            let stages: Vec<&str> =
                ["Forward", "Backward", "Update"].into_iter().filter(|stage| stages.contains(stage)).collect();
            self.push(&format!("<tr data-kernels=\"{number}\" class=\"{}\"><td>", stages.last().unwrap_or(&"Forward")));
            self.chip(number);
            let (stages, label) = (stages.join(", ").to_lowercase(), escape(&call.label));
            let at = escape(&places(&lines(call, graph)));
            self.push(&format!("</td><td>{stages}</td><td title=\"{at}\">{label}</td>"));
            for (amount, most) in [(call.flops, most_flops), (call.bytes, most_bytes)] {
                let part = 100.0 * amount as f64 / most;
                self.push(&format!(
                    "<td class=\"number\">{}</td><td><span class=\"bar\" style=\"--part: {part:.1}%\"></span></td>",
                    si(amount)
                ));
            }
            let intensity = call.flops as f64 / call.bytes.max(1) as f64;
            let _ = write!(self.text, "<td class=\"number\">{intensity:.1}</td></tr>");
        }
        self.push("</tbody></table></section>\n");
    }
}

fn stage(stage: Stage) -> &'static str {
    match stage {
        Stage::Forward => "Forward",
        Stage::Backward => "Backward",
        Stage::Update => "Update",
    }
}

/// Numbers next to one another get colours that are far apart.
fn hue(kernel: usize) -> usize {
    kernel * 137 % 360
}

/// Whether a box has one line.
fn is_small(item: &Item) -> bool {
    !matches!(item.kind, Kind::Layer) && item.inside.is_none()
}

/// What decides on the look of a box.
fn family(item: &Item) -> &'static str {
    match item.kind {
        Kind::Data => "data small",
        Kind::Function => "function small",
        Kind::Operation => "operation small",
        Kind::Cut => "cut",
        Kind::Result => "result small",
        Kind::Entrance | Kind::Exit => "",
        Kind::Layer => {
            let families = [
                ("Conv", "conv"),
                ("Linear", "linear"),
                ("Embedding", "linear"),
                ("Norm", "norm"),
                ("Pool", "pool"),
                ("Upsample", "pool"),
                ("LU", "activation"),
                ("Sigmoid", "activation"),
                ("Tanh", "activation"),
                ("oftmax", "activation"),
            ];
            let name = item.detail.split('(').next().unwrap_or_default();
            families.into_iter().find(|(part, _)| name.contains(part)).map_or("layer", |(_, family)| family)
        }
    }
}

/// What a box with boxes in it says of itself.
fn contents(item: &Item) -> String {
    let parameters: usize =
        item.states.iter().filter(|state| state.update == Some(Stage::Update)).map(|s| s.elements).sum();
    match (parameters, item.detail.is_empty()) {
        (0, _) => escape(&item.detail),
        (parameters, true) => format!("{} parameters", thousands(parameters as u64)),
        (parameters, false) => format!("{}, {} parameters", escape(&item.detail), thousands(parameters as u64)),
    }
}

/// The parameters that an optimizer changes.
fn trained(item: &Item) -> String {
    let trained = item.states.iter().filter(|state| state.update == Some(Stage::Update));
    let names: Vec<&str> = trained.map(|state| state.name.rsplit('.').next().unwrap_or(&state.name)).collect();
    let is_new = item.states.iter().any(|state| state.is_new);
    match (item.gradient, names.is_empty()) {
        (false, _) => "no gradient".to_owned(),
        (true, true) => String::new(),
        (true, false) if is_new => format!("with updated {}", escape(&names.join(", "))),
        (true, false) => format!("updates {}", escape(&names.join(", "))),
    }
}
