//! What a drawing shows: the uses of layers, functions and single operations of a graph, one within another, the values
//! that pass between them, and the kernels that compute them. It knows graphs and plans; it knows no file format and
//! no places on a page.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::ops::Bound;

use kiln_graph::op::BinaryOp;
use kiln_graph::{Graph, NodeId, Op, Role, Stage};
use kiln_jit::Plan;

use super::flow::Flow;
use crate::report::text::places;

/// What a box of a drawing stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A data input.
    Data,
    /// A use of a layer or of a model.
    Layer,
    /// A use of a function, such as a loss.
    Function,
    /// A single operation.
    Operation,
    /// A `detach`: gradients do not pass.
    Cut,
    /// A result of the graph.
    Result,
    /// Where a value enters a layer that is drawn with what is in it.
    Entrance,
    /// Where a value leaves it.
    Exit,
}

/// A parameter of a layer, or another state.
#[derive(Clone, Debug)]
pub struct State {
    /// Its name: `conv1.weight`.
    pub name: String,
    /// Its type: `f32[20,1,5,5]`.
    pub ty: String,
    /// The number of its elements.
    pub elements: usize,
    /// Who computes its new value, if anybody does.
    pub update: Option<Stage>,
    /// Whether the layer is used after that, with the new value.
    pub is_new: bool,
}

/// A box of a drawing. Its number is its position in [`Outline::items`].
#[derive(Clone, Debug)]
pub struct Item {
    /// What it stands for.
    pub kind: Kind,
    /// Its name within what is around it: `conv1`, `relu`, `add`.
    pub title: String,
    /// The layer and its settings, or the whole name.
    pub detail: String,
    /// Where the user's source asks for it; empty where no macro has told.
    pub line: String,
    /// The type of its last value, without the element type where that is f32: `[64, 20, 24, 24]`.
    pub shape: String,
    /// Whether gradients are computed in it.
    pub gradient: bool,
    /// The parameters and other states of a layer, those of layers within it included.
    pub states: Vec<State>,
    /// The calls of the plan that compute its results, its gradients, and its parameters' new values.
    pub kernels: [BTreeSet<usize>; 3],
    /// What is in it, if that is shown.
    pub inside: Option<Diagram>,
}

/// Boxes side by side within one box, and the values that pass between them.
#[derive(Clone, Debug, Default)]
pub struct Diagram {
    /// Numbers of items, in the order of the program.
    pub items: Vec<usize>,
    /// Values, in the order of the program.
    pub edges: Vec<Edge>,
}

/// A value that passes from one box to another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edge {
    /// The item that computes it.
    pub from: usize,
    /// The item that takes it.
    pub to: usize,
    /// The exit by which it leaves `from`, if that is drawn with what is in it.
    pub exit: Option<usize>,
    /// The entrance by which it reaches `to`.
    pub entrance: Option<usize>,
    /// The value's shape.
    pub shape: String,
    /// Whether its gradient passes the other way.
    pub gradient: bool,
}

/// A graph as people think of it.
#[derive(Clone, Debug)]
pub struct Outline {
    /// Every box.
    pub items: Vec<Item>,
    /// The outermost boxes.
    pub root: Diagram,
}

impl Outline {
    /// The outline of a graph. `layers` says what the layer of a name is; a plan says what is computed together.
    pub fn new(graph: &Graph, layers: &HashMap<String, String>, plan: Option<&Plan>) -> Outline {
        let mut outliner = Outliner::new(graph, layers);
        let members: Vec<NodeId> = graph.ids().filter(|&id| outliner.flow.shown(id)).collect();
        let root = outliner.root(members);
        let mut outline = Outline { items: outliner.items, root };
        outline.spread_gradients();
        if let Some(plan) = plan {
            super::kernels::assign(&mut outline, &outliner.places, graph, plan);
        }
        outline
    }

    /// Sets which values have a gradient, from the outermost boxes inwards.
    fn spread_gradients(&mut self) {
        // The outermost boxes, then those in a box.
        let mut open = vec![None];
        while let Some(around) = open.pop() {
            let mut diagram = match around {
                None => std::mem::take(&mut self.root),
                Some(item) => {
                    let item: &mut Item = &mut self.items[item];
                    let Some(inside) = item.inside.take() else { continue };
                    inside
                }
            };
            for edge in &mut diagram.edges {
                edge.gradient &= self.items[edge.from].gradient && self.items[edge.to].gradient;
                for port in [edge.exit, edge.entrance].into_iter().flatten() {
                    self.items[port].gradient |= edge.gradient;
                }
            }
            open.extend(diagram.items.iter().map(|&item| Some(item)));
            match around {
                None => self.root = diagram,
                Some(item) => self.items[item].inside = Some(diagram),
            }
        }
    }
}

/// Which item shows a node's scope, or a single operation.
#[derive(Default)]
pub struct Places {
    /// The items of scopes, and so of all that lies in them.
    pub scopes: HashMap<u32, usize>,
    /// The items of single operations, by scope and mnemonic.
    pub operations: HashMap<(u32, &'static str), Vec<usize>>,
    /// The items whose layers own states, by the states' names; outermost first. Uses of new values are not among them.
    pub states: BTreeMap<String, Vec<usize>>,
}

/// The ports of a box, by the values that pass.
#[derive(Default)]
struct Ports {
    entrances: BTreeMap<NodeId, usize>,
    exits: BTreeMap<NodeId, usize>,
}

/// The part of a diagram that a node belongs to.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Part {
    Scope(u32),
    Node(NodeId),
}

/// A diagram that is being drawn.
struct Drawn {
    /// The scopes around it.
    path: Vec<u32>,
    /// The item that it is in; none around the outermost boxes.
    around: Option<usize>,
    members: Vec<NodeId>,
    /// The members of each part, and the parts that are still to be drawn, the next one last.
    groups: BTreeMap<Part, Vec<NodeId>>,
    parts: Vec<Part>,
    diagram: Diagram,
    item_of: HashMap<Part, usize>,
    ports: HashMap<usize, Ports>,
}

struct Outliner<'a> {
    graph: &'a Graph,
    layers: &'a HashMap<String, String>,
    named: Named<'a>,
    flow: Flow,
    /// For each node its scopes, outermost first.
    chains: Vec<Vec<u32>>,
    /// For each node its users that are shown.
    users: Vec<Vec<NodeId>>,
    /// The scopes that use a state (an index into [`Graph::inputs`]) after its update.
    new_values: HashSet<(u32, usize)>,
    items: Vec<Item>,
    places: Places,
}

impl<'a> Outliner<'a> {
    fn new(graph: &'a Graph, layers: &'a HashMap<String, String>) -> Outliner<'a> {
        let flow = Flow::new(graph);
        let mut users = vec![Vec::new(); graph.nodes.len()];
        for id in graph.ids().filter(|&id| flow.shown(id)) {
            for source in flow.sources(graph, id) {
                users[source.index()].push(id);
            }
        }
        let chains: Vec<Vec<u32>> = graph.ids().map(|id| chain(graph, graph.node(id).scope)).collect();
        let named = Named::new(graph);
        let mut new_values = HashSet::new();
        for id in graph.ids().filter(|id| graph.scope(*id).stage == Stage::Forward) {
            for &update in graph.node(id).inputs.iter().filter_map(|operand| named.updates_to.get(operand)).flatten() {
                new_values.extend(chains[id.index()].iter().map(|&scope| (scope, update)));
            }
        }
        let (items, places) = (Vec::new(), Places::default());
        Outliner { graph, layers, named, flow, chains, users, new_values, items, places }
    }

    /// Draws the given nodes.
    fn root(&mut self, members: Vec<NodeId>) -> Diagram {
        // Each diagram waits for those in its boxes.
        let mut open = vec![self.begin(None, Vec::new(), members)];
        while let Some(mut drawn) = open.pop() {
            let Some(part) = drawn.parts.pop() else {
                let around = drawn.around;
                let (diagram, ports) = self.connect(drawn);
                let (Some(item), Some(outer)) = (around, open.last_mut()) else { return diagram };
                self.items[item].inside = Some(diagram);
                outer.ports.insert(item, ports);
                continue;
            };
            let (item, inside) = match part {
                Part::Node(id) => (self.operation(id), None),
                Part::Scope(scope) => {
                    let members = drawn.groups.remove(&part).expect("the members of a part");
                    let (item, path) = self.scope(&drawn.path, scope, &members);
                    (item, path.map(|path| self.begin(Some(item), path, members)))
                }
            };
            drawn.item_of.insert(part, item);
            drawn.diagram.items.push(item);
            open.push(drawn);
            open.extend(inside);
        }
        Diagram::default()
    }

    /// The part of a diagram within so many scopes that a node belongs to.
    fn part(&self, depth: usize, id: NodeId) -> Part {
        self.chains[id.index()].get(depth).map_or(Part::Node(id), |&scope| Part::Scope(scope))
    }

    /// Begins a diagram of the nodes that lie within the given scopes.
    fn begin(&self, around: Option<usize>, path: Vec<u32>, members: Vec<NodeId>) -> Drawn {
        let mut groups: BTreeMap<Part, Vec<NodeId>> = BTreeMap::new();
        let mut parts: Vec<Part> = Vec::new();
        for &id in &members {
            let part = self.part(path.len(), id);
            let group = groups.entry(part).or_default();
            if group.is_empty() {
                parts.push(part);
            }
            group.push(id);
        }
        parts.reverse();
        let (diagram, item_of, ports) = (Diagram::default(), HashMap::new(), HashMap::new());
        Drawn { path, around, members, groups, parts, diagram, item_of, ports }
    }

    /// Completes a diagram, all of whose boxes are drawn: the values that pass between them, into it and out of it.
    fn connect(&mut self, drawn: Drawn) -> (Diagram, Ports) {
        let Drawn { path, members, mut diagram, item_of, ports, .. } = drawn;
        let depth = path.len();
        let inside: BTreeSet<NodeId> = members.iter().copied().collect();
        let mut own = Ports::default();
        let mut edges: BTreeMap<(usize, usize, NodeId), Edge> = BTreeMap::new();
        let mut connect = |from: usize, to: usize, value: NodeId, graph: &Graph| {
            edges.entry((from, to, value)).or_insert_with(|| Edge {
                from,
                to,
                exit: ports.get(&from).and_then(|ports| ports.exits.get(&value)).copied(),
                entrance: ports.get(&to).and_then(|ports| ports.entrances.get(&value)).copied(),
                shape: shape(graph, value),
                gradient: graph.ty(value).dtype == kiln_graph::DType::F32,
            });
        };
        for &id in &members {
            let to = item_of[&self.part(depth, id)];
            for source in self.flow.sources(self.graph, id) {
                let from = if inside.contains(&source) {
                    item_of[&self.part(depth, source)]
                } else {
                    *own.entrances.entry(source).or_insert_with(|| self.port(Kind::Entrance, source))
                };
                if from != to {
                    connect(from, to, source, self.graph);
                }
            }
        }
        for &id in &members {
            let from = item_of[&self.part(depth, id)];
            if self.users[id.index()].iter().any(|user| !inside.contains(user)) {
                let exit = *own.exits.entry(id).or_insert_with(|| self.port(Kind::Exit, id));
                connect(from, exit, id, self.graph);
            }
            // Results are shown beside the outermost boxes; on the way there they leave those around them.
            for &output in self.named.outputs_of.get(&id).cloned().iter().flatten() {
                let to = if path.is_empty() {
                    self.result(&self.graph.outputs[output].name, id)
                } else {
                    *own.exits.entry(id).or_insert_with(|| self.port(Kind::Exit, id))
                };
                connect(from, to, id, self.graph);
                if path.is_empty() {
                    diagram.items.push(to);
                }
            }
        }
        diagram.items.splice(0..0, own.entrances.values().copied());
        diagram.items.extend(own.exits.values());
        diagram.edges = edges.into_values().collect();
        (diagram, own)
    }

    /// The item of a scope within others, and the scopes around what is in it, if that is shown.
    fn scope(&mut self, path: &[u32], scope: u32, members: &[NodeId]) -> (usize, Option<Vec<u32>>) {
        let outer = path.last().map_or("", |&outer| self.graph.scopes[outer as usize].layer.as_str()).to_owned();
        let around = path.len();
        let mut path = [path, &[scope]].concat();
        // A scope that holds nothing but one layer is that layer: `linears.3`.
        while let Some(inner) = self.only_layer(path.len(), members) {
            path.push(inner);
        }
        let innermost = *path.last().expect("a scope");
        let inner = self.graph.scopes[innermost as usize].clone();
        let layer = inner.layer.as_str();
        let is_function = !inner.function.is_empty();
        let last = *members.last().expect("a scope with nodes");
        // Members stand in the order of the graph.
        let is_outside = |user: &NodeId| members.binary_search(user).is_err();
        let result = members.iter().rev().find(|id| self.users[id.index()].iter().any(is_outside));
        let title = layer.strip_prefix(outer.as_str()).map_or(layer, |rest| rest.trim_start_matches('.'));
        let item = self.push(Item {
            kind: if is_function { Kind::Function } else { Kind::Layer },
            title: if is_function { inner.function.to_owned() } else { title.to_owned() },
            detail: if is_function { layer.to_owned() } else { self.layers.get(layer).cloned().unwrap_or_default() },
            line: line(self.graph, innermost),
            shape: shape(self.graph, result.copied().unwrap_or(last)),
            gradient: self.flow.has_gradient(innermost) || members.iter().any(|&id| self.flow.passes_gradient(id)),
            states: if is_function { Vec::new() } else { self.states(innermost) },
            kernels: Default::default(),
            inside: None,
        });
        for scope in &path[around..] {
            self.places.scopes.insert(*scope, item);
        }
        let layers_within = members.iter().any(|id| {
            let next = self.chains[id.index()].get(path.len());
            next.is_some_and(|&next| self.graph.scopes[next as usize].function.is_empty())
        });
        let is_opened = !is_function && (layers_within || !self.layers.is_empty() && !self.layers.contains_key(layer));
        (item, is_opened.then_some(path))
    }

    /// The layer's scope in which all of the nodes lie that lie in the scopes before.
    fn only_layer(&self, depth: usize, members: &[NodeId]) -> Option<u32> {
        let inner = *self.chains[members[0].index()].get(depth)?;
        let all = members.iter().all(|id| self.chains[id.index()].get(depth) == Some(&inner));
        (all && self.graph.scopes[inner as usize].function.is_empty()).then_some(inner)
    }

    fn operation(&mut self, id: NodeId) -> usize {
        let node = self.graph.node(id);
        let (kind, title) = match node.op {
            Op::Input => {
                let input = self.named.input_of.get(&id).map(|&input| &self.graph.inputs[input]);
                (Kind::Data, input.map_or("input", |input| &input.name).to_owned())
            }
            Op::Detach => (Kind::Cut, "detach".to_owned()),
            Op::Binary(BinaryOp::Add) => (Kind::Operation, "+".to_owned()),
            Op::Binary(BinaryOp::Sub) => (Kind::Operation, "−".to_owned()),
            Op::Binary(BinaryOp::Mul) => (Kind::Operation, "×".to_owned()),
            Op::Binary(BinaryOp::Div) => (Kind::Operation, "÷".to_owned()),
            _ => (Kind::Operation, node.op.mnemonic().to_owned()),
        };
        let gradient = kind != Kind::Data && self.flow.passes_gradient(id);
        let detail = self.graph.ty(id).to_string();
        let line = if kind == Kind::Data { String::new() } else { line(self.graph, node.scope) };
        let item = self.push(Item { gradient, line, ..plain(kind, title, detail, shape(self.graph, id)) });
        self.places.operations.entry((node.scope, node.op.mnemonic())).or_default().push(item);
        item
    }

    fn result(&mut self, name: &str, id: NodeId) -> usize {
        let item = plain(Kind::Result, name.to_owned(), self.graph.ty(id).to_string(), shape(self.graph, id));
        // A gradient starts at a scalar that one is asked of.
        let gradient = self.graph.shape(id).rank() == 0 && self.flow.passes_gradient(id);
        self.push(Item { gradient, ..item })
    }

    fn port(&mut self, kind: Kind, value: NodeId) -> usize {
        let shape = shape(self.graph, value);
        self.items.push(plain(kind, String::new(), String::new(), shape));
        self.items.len() - 1
    }

    fn push(&mut self, item: Item) -> usize {
        self.items.push(item);
        let number = self.items.len() - 1;
        for state in self.items[number].states.iter().filter(|state| !state.is_new) {
            self.places.states.entry(state.name.clone()).or_default().push(number);
        }
        number
    }

    /// The states of the layer of a scope; what only an optimizer keeps is not among them.
    fn states(&self, scope: u32) -> Vec<State> {
        let graph = self.graph;
        let layer = graph.scopes[scope as usize].layer.as_str();
        let states = self.named.states_within(layer).into_iter().map(|number| (number, &graph.inputs[number]));
        let states = states.filter(|(_, input)| graph.scope(input.node).stage == Stage::Forward);
        let update = |number: usize| self.named.update_of.get(&number).map(|&update| &graph.updates[update]);
        let mut states: Vec<State> = states
            .map(|(number, input)| State {
                name: input.name.clone(),
                ty: graph.ty(input.node).to_string(),
                elements: graph.shape(input.node).elements(),
                update: update(number).map(|update| graph.scope(update.node).stage),
                is_new: self.new_values.contains(&(scope, number)),
            })
            .collect();
        // A layer's weight comes first, as in its declaration.
        for owned in states.chunk_by_mut(|a, b| owner(&a.name) == owner(&b.name)) {
            owned.sort_by_key(|state| !state.name.ends_with(".weight"));
        }
        states
    }
}

/// The positions of what has a name in a graph.
struct Named<'a> {
    input_of: HashMap<NodeId, usize>,
    outputs_of: HashMap<NodeId, Vec<usize>>,
    /// The update of each input; of several the first.
    update_of: HashMap<usize, usize>,
    /// The inputs that optimizers update to each node.
    updates_to: HashMap<NodeId, Vec<usize>>,
    /// The states by their names.
    states: BTreeMap<&'a str, usize>,
}

impl<'a> Named<'a> {
    fn new(graph: &'a Graph) -> Named<'a> {
        let mut named = Named {
            input_of: HashMap::new(),
            outputs_of: HashMap::new(),
            update_of: HashMap::new(),
            updates_to: HashMap::new(),
            states: BTreeMap::new(),
        };
        for (number, input) in graph.inputs.iter().enumerate() {
            named.input_of.entry(input.node).or_insert(number);
            if input.role == Role::State {
                named.states.insert(&input.name, number);
            }
        }
        for (number, output) in graph.outputs.iter().enumerate() {
            named.outputs_of.entry(output.node).or_default().push(number);
        }
        for (number, update) in graph.updates.iter().enumerate() {
            named.update_of.entry(update.input).or_insert(number);
            if graph.scope(update.node).stage == Stage::Update {
                named.updates_to.entry(update.node).or_default().push(update.input);
            }
        }
        named
    }

    /// The states of a layer and of those within it, in the order of the inputs; all of them, if it has no name.
    fn states_within(&self, layer: &str) -> Vec<usize> {
        let within = if layer.is_empty() { String::new() } else { format!("{layer}.") };
        let from = self.states.range::<str, _>((Bound::Included(within.as_str()), Bound::Unbounded));
        let mut states: Vec<usize> =
            from.take_while(|(name, _)| name.starts_with(&within)).map(|(_, &number)| number).collect();
        states.sort_unstable();
        states
    }
}

/// The layer that a state belongs to.
fn owner(state: &str) -> &str {
    state.rsplit_once('.').map_or("", |(layer, _)| layer)
}

fn plain(kind: Kind, title: String, detail: String, shape: String) -> Item {
    let (line, states, kernels) = (String::new(), Vec::new(), Default::default());
    Item { kind, title, detail, line, shape, gradient: false, states, kernels, inside: None }
}

/// The line that asks for what a scope holds.
fn line(graph: &Graph, scope: u32) -> String {
    graph.line(scope).map(|line| places(&[line])).unwrap_or_default()
}

/// Whether it is where a value enters or leaves a box.
pub fn is_port(item: &Item) -> bool {
    matches!(item.kind, Kind::Entrance | Kind::Exit)
}

/// The scopes around a scope and itself, outermost first, without that outside of layers and those that tell a line; those of
/// gradients are those of what they are gradients of.
pub fn chain(graph: &Graph, scope: u32) -> Vec<u32> {
    let mut chain = Vec::new();
    let mut at = scope;
    while at != 0 {
        let scope = &graph.scopes[at as usize];
        if scope.stage == Stage::Forward && scope.line.is_none() {
            chain.push(at);
        }
        at = scope.outer;
    }
    chain.reverse();
    chain
}

/// `[64, 20, 24, 24]`, `i32[64]`; a scalar is `scalar`.
fn shape(graph: &Graph, id: NodeId) -> String {
    let ty = graph.ty(id);
    let dims: Vec<String> = ty.shape.dims().iter().map(usize::to_string).collect();
    let element = if ty.dtype == kiln_graph::DType::F32 { String::new() } else { ty.dtype.to_string() };
    match dims.len() {
        0 => format!("{element} scalar").trim_start().to_owned(),
        _ => format!("{element}[{}]", dims.join(", ")),
    }
}
