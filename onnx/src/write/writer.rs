//! Writing a graph: from its outputs back to its inputs, so that only what is needed is written; names, constants,
//! extents. Knows no operation.

use std::collections::{HashMap, HashSet};

use kiln_graph::{Bf16, DType, NodeId, Op, Role};

use super::error::WriteError;
use super::level::{Level, extents};
use super::numbers::Number;
use super::{Source, protos};
use crate::proto::tensor_proto::DataType;
use crate::proto::{NodeProto, TensorProto, ValueInfoProto};

/// Writes graphs.
pub(super) struct Writer<'a> {
    pub source: &'a Source<'a>,
    /// All names of values so far.
    taken: HashSet<String>,
    /// And those of nodes, which are their results' where they have one.
    taken_by_nodes: HashSet<String>,
    pub initializers: Vec<TensorProto>,
    constants: HashMap<(i32, Vec<i64>, Vec<u8>), String>,
    /// The nodes that compute extents; all others come behind them.
    pub prelude: Vec<NodeProto>,
    computed: HashMap<Number, String>,
    levels: Vec<Level<'a>>,
    /// The names of the results of scans, by the depth of the level and the scan's node.
    pub scan_results: HashMap<(usize, NodeId), Vec<String>>,
    /// Where new nodes come from: `encoder.conv1`.
    place: String,
    /// The name for the node that stands for a whole layer, until one has it.
    main: Option<String>,
    /// How many nodes of each scope could stand for its layer.
    mains: HashMap<u32, usize>,
    /// The places of layers within others.
    outer: HashSet<&'a str>,
}

impl<'a> Writer<'a> {
    pub fn new(source: &'a Source<'a>) -> Result<Writer<'a>, WriteError> {
        let mut writer = Writer::of(source);
        writer.match_graphs()?;
        Ok(writer)
    }

    fn of(source: &'a Source<'a>) -> Writer<'a> {
        let graphs = source.built.iter().map(|built| &built.graph).collect();
        let noted: Vec<&[_]> = source.built.iter().map(|built| &built.wholes[..]).collect();
        Writer {
            source,
            taken: HashSet::new(),
            taken_by_nodes: HashSet::new(),
            initializers: Vec::new(),
            constants: HashMap::new(),
            prelude: Vec::new(),
            computed: HashMap::new(),
            levels: vec![Level::new(graphs, &noted)],
            scan_results: HashMap::new(),
            place: String::new(),
            main: None,
            mains: HashMap::new(),
            outer: source.built[0].graph.scopes.iter().flat_map(|scope| around(&scope.layer)).collect(),
        }
    }

    /// The graph that is being written.
    pub fn level(&self) -> &Level<'a> {
        self.levels.last().expect("there is one until the end")
    }

    pub fn level_mut(&mut self) -> &mut Level<'a> {
        self.levels.last_mut().expect("there is one until the end")
    }

    /// Begins a graph within this one.
    pub fn begin_level(&mut self, level: Level<'a>) -> Result<(), WriteError> {
        self.levels.push(level);
        self.match_graphs()
    }

    /// Finds which nodes of the graphs are the same, from the results on, as they are going to be written: what lies
    /// within a layer that is written as a whole may differ.
    fn match_graphs(&mut self) -> Result<(), WriteError> {
        let graphs = self.level().graphs().to_vec();
        let first = graphs[0];
        let counts = |graph: &kiln_graph::Graph| [graph.inputs.len(), graph.outputs.len(), graph.updates.len()];
        if !graphs.iter().all(|graph| counts(graph) == counts(first)) {
            let last = NodeId(first.nodes.len().saturating_sub(1) as u32);
            return Err(WriteError::Structure { at: self.level().at(last) });
        }
        let of_all = |of: &dyn Fn(&kiln_graph::Graph) -> NodeId| graphs.iter().map(|graph| of(graph)).collect();
        let mut open: Vec<Vec<NodeId>> = Vec::new();
        open.extend((0..first.inputs.len()).map(|input| of_all(&|graph| graph.inputs[input].node)));
        open.extend((0..first.outputs.len()).map(|output| of_all(&|graph| graph.outputs[output].node)));
        open.extend((0..first.updates.len()).map(|update| of_all(&|graph| graph.updates[update].node)));
        while let Some(all) = open.pop() {
            if !self.level_mut().note_same(&all)? {
                continue;
            }
            match self.whole_in_each(all[0]) {
                Some(noted) => {
                    if all[0] == noted[0].results[0] {
                        self.count_main(noted[0].scope);
                    }
                    let operands = 0..noted[0].operands.len();
                    let of_place = |place: usize| noted.iter().map(|noted| noted.operands[place]).collect();
                    open.extend(operands.filter_map(of_place));
                    let results = 0..noted[0].results.len();
                    open.extend(results.map(|place| noted.iter().map(|noted| noted.results[place]).collect()));
                }
                None => {
                    let node = self.level().node(all[0]);
                    if matches!(node.op, Op::Unary(_)) {
                        self.count_main(node.scope);
                    }
                    open.extend(self.level().inputs_of_each(all[0])?);
                }
            }
        }
        Ok(())
    }

    /// Notes that a node of a scope could stand for its layer.
    fn count_main(&mut self, scope: u32) {
        if self.depth() == 1 {
            *self.mains.entry(scope).or_default() += 1;
        }
    }

    /// Ends the graph: its nodes, and the types of its values.
    pub fn end_level(&mut self) -> (Vec<NodeProto>, Vec<ValueInfoProto>) {
        let level = self.levels.pop().expect("there is one until the end");
        (level.nodes, level.info)
    }

    /// Writes what some nodes need, and them.
    pub fn write_all(&mut self, roots: impl DoubleEndedIterator<Item = NodeId>) -> Result<(), WriteError> {
        let mut open: Vec<NodeId> = roots.rev().collect();
        while let Some(&id) = open.last() {
            if self.level().values.contains_key(&id) && !self.level().wanted.contains_key(&id) {
                open.pop();
                continue;
            }
            let missing: Vec<NodeId> =
                self.needs(id)?.into_iter().filter(|needed| !self.level().values.contains_key(needed)).collect();
            if missing.is_empty() {
                open.pop();
                self.write(id)?;
            } else {
                open.extend(missing.into_iter().rev());
            }
        }
        Ok(())
    }

    /// What must be there before a node is written.
    fn needs(&self, id: NodeId) -> Result<Vec<NodeId>, WriteError> {
        if self.level().values.contains_key(&id) {
            return Ok(Vec::new());
        }
        match self.whole(id) {
            Some(noted) => Ok(self.operands_of_whole(noted)),
            None => self.operands(id),
        }
    }

    /// Writes a node whose operands are there, and gives it the names that it must have.
    fn write(&mut self, id: NodeId) -> Result<(), WriteError> {
        let before = self.level().nodes.len();
        if !self.level().values.contains_key(&id) {
            match self.whole(id) {
                Some(noted) => {
                    self.enter(noted.scope);
                    let names = self.write_whole(noted, id)?;
                    for (&result, name) in noted.results.iter().zip(names) {
                        self.level_mut().values.entry(result).or_insert(name);
                    }
                }
                None => {
                    self.enter(self.level().node(id).scope);
                    let name = self.write_operation(id)?;
                    self.level_mut().values.insert(id, name);
                }
            }
        }
        let wanted = self.level_mut().wanted.remove(&id).unwrap_or_default();
        for (position, wanted) in wanted.into_iter().enumerate() {
            let name = self.level().values[&id].clone();
            let made = self.level_mut().nodes[before..].iter_mut().rev().flat_map(|node| &mut node.output);
            match made.filter(|_| position == 0).find(|output| **output == name) {
                Some(output) => {
                    output.clone_from(&wanted);
                    self.level_mut().values.insert(id, wanted);
                }
                None => self.push_as(protos::node("Identity", &[&name]), vec![wanted]),
            }
        }
        let name = self.level().values[&id].clone();
        let is_new = self.level().nodes[before..].iter().any(|node| node.output.contains(&name));
        let is_result = self.level().graph().outputs.iter().any(|output| output.node == id);
        let is_value = !matches!(self.level().node(id).op, Op::Scan { .. });
        if is_new && is_value && !is_result {
            let info = self.info(id, &name)?;
            self.level_mut().info.push(info);
        }
        Ok(())
    }

    /// The type of a value, under a name.
    pub fn info(&self, id: NodeId, name: &str) -> Result<ValueInfoProto, WriteError> {
        let dims = self.dims(id)?;
        Ok(protos::value_info(name, self.dtype(id), &dims, self.source.free))
    }

    /// Says where the nodes that follow come from. One of them stands for the layer there, if that is one of Kiln's
    /// with none within and no other could.
    fn enter(&mut self, scope: u32) {
        let layer = &self.level().graph().scopes[scope as usize].layer;
        let is_layer = || around(layer).chain([&layer[..]]).any(|place| self.source.layers.contains(place));
        let is_main = self.depth() == 1 && self.mains.get(&scope) == Some(&1) && !self.outer.contains(&layer[..]);
        self.main = (is_main && is_layer()).then(|| layer.clone());
        self.place = layer.clone();
    }

    /// Says that the nodes that follow come from where a node comes from, of which others were written meanwhile.
    pub fn enter_again(&mut self, id: NodeId) {
        self.enter(self.level().node(id).scope);
    }

    /// How many graphs lie around this one, and it.
    pub fn depth(&self) -> usize {
        self.levels.len()
    }

    /// A name that no other value has.
    pub fn reserve(&mut self, name: &str) -> String {
        unused(&mut self.taken, name)
    }

    /// What is called by a word at this place.
    fn here(&self, word: &str) -> String {
        if self.place.is_empty() { word.to_owned() } else { format!("{}/{word}", self.place) }
    }

    /// Appends a node with one result, whose name this is.
    pub fn push(&mut self, node: NodeProto) -> String {
        let name = self.here(node.op_type());
        self.push_named(node, &name)
    }

    /// [`Writer::push`] of the node that stands for the whole layer.
    pub fn push_main(&mut self, node: NodeProto) -> String {
        match self.main.take() {
            Some(layer) => self.push_named(node, &layer),
            None => self.push(node),
        }
    }

    fn push_named(&mut self, mut node: NodeProto, name: &str) -> String {
        let result = self.reserve(name);
        node.name = Some(unused(&mut self.taken_by_nodes, name));
        node.output = vec![result.clone()];
        self.level_mut().nodes.push(node);
        result
    }

    /// Appends a node with several results, of these names; without a name the result is not used.
    pub fn push_as(&mut self, mut node: NodeProto, outputs: Vec<String>) {
        let name = self.main.take().unwrap_or_else(|| self.here(node.op_type()));
        node.name = Some(unused(&mut self.taken_by_nodes, &name));
        node.output = outputs;
        self.level_mut().nodes.push(node);
    }

    /// Names for the results of a node that has several.
    pub fn result_names<const K: usize>(&mut self, words: [&str; K]) -> [String; K] {
        words.map(|word| {
            let name = self.here(word);
            self.reserve(&name)
        })
    }

    /// The name of a value that is there.
    pub fn value(&self, id: NodeId) -> &str {
        &self.level().values[&id]
    }

    /// The extents of a value.
    pub fn dims(&self, id: NodeId) -> Result<Vec<Number>, WriteError> {
        self.level().dims(id, self.source.sizes)
    }

    pub fn rank(&self, id: NodeId) -> usize {
        self.level().node(id).ty.shape.rank()
    }

    pub fn dtype(&self, id: NodeId) -> DType {
        self.level().node(id).ty.dtype
    }

    /// The parameter that a node of the model's graph is: its name and its little-endian numbers.
    pub fn parameter(&self, id: NodeId) -> Option<(&'a str, &'a [u8])> {
        let graph = self.level().graph();
        if self.levels.len() > 1 || graph.node(id).op != Op::Input {
            return None;
        }
        let input = graph.inputs.iter().find(|input| input.node == id && input.role == Role::State)?;
        self.source.parameters.get(&input.name).map(|bytes| (&input.name[..], &bytes[..]))
    }

    /// Writes a state of the model: a constant.
    pub fn write_input(&mut self, id: NodeId) -> Result<String, WriteError> {
        let graph = self.level().graph();
        let input = graph.inputs.iter().find(|input| input.node == id).expect("inputs are listed");
        let Some(bytes) = self.source.parameters.get(&input.name) else {
            return Err(WriteError::State { name: input.name.clone() });
        };
        let ty = graph.ty(id);
        let name = self.reserve(&input.name);
        let data_type = protos::data_type(ty.dtype);
        self.initializers.push(protos::tensor(&name, data_type, &extents(ty.shape.dims()), bytes.clone()));
        Ok(name)
    }

    /// The name of a constant, which is written once.
    pub fn constant(&mut self, ty: DataType, dims: &[i64], data: Vec<u8>) -> String {
        let key = (ty as i32, dims.to_vec(), data);
        if let Some(name) = self.constants.get(&key) {
            return name.clone();
        }
        let name = self.reserve("constant");
        self.initializers.push(protos::tensor(&name, ty, dims, key.2.clone()));
        self.constants.insert(key, name.clone());
        name
    }

    /// Numbers of 64 bits as a constant with one axis.
    pub fn int_list(&mut self, numbers: &[i64]) -> String {
        self.constant(DataType::Int64, &[numbers.len() as i64], protos::bytes_of_i64(numbers))
    }

    /// A number as a constant without axes.
    pub fn scalar(&mut self, dtype: DType, number: f64) -> String {
        let data = match dtype {
            DType::F32 => (number as f32).to_le_bytes().to_vec(),
            DType::Bf16 => Bf16::nearest(number as f32).to_bits().to_le_bytes().to_vec(),
            DType::I32 => (number as i32).to_le_bytes().to_vec(),
            DType::U8 => vec![number as u8],
            DType::I8 => vec![number as i8 as u8],
            DType::Bool => vec![u8::from(number != 0.0)],
        };
        self.constant(protos::data_type(dtype), &[], data)
    }

    /// A vector that holds one number everywhere.
    pub fn filled(&mut self, count: usize, number: f32) -> String {
        self.constant(DataType::Float, &[count as i64], protos::bytes_of_f32(vec![number; count]))
    }

    /// Numbers of 64 bits as a tensor with one axis: a constant, or computed where extents are free.
    pub fn int_tensor(&mut self, numbers: &[Number]) -> String {
        let known: Option<Vec<i64>> = numbers.iter().map(Number::value).collect();
        if let Some(known) = known {
            return self.int_list(&known);
        }
        let parts: Vec<String> = numbers.iter().map(|number| self.extent(number)).collect();
        match &parts[..] {
            [one] => one.clone(),
            _ => {
                let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
                self.push(protos::node("Concat", &parts).int("axis", 0))
            }
        }
    }

    /// A number as a tensor of one element and 64 bits, which any graph may read.
    pub fn extent(&mut self, number: &Number) -> String {
        if let Some(known) = number.value() {
            return self.int_list(&[known]);
        }
        if let Some(name) = self.computed.get(number) {
            return name.clone();
        }
        let mut product = (number.factor != 1).then(|| self.int_list(&[number.factor]));
        for part in &number.parts {
            let mut sum: Option<String> = None;
            for &(free, coefficient) in &part.terms {
                let mut term = self.free(free);
                if coefficient != 1 {
                    let coefficient = self.int_list(&[coefficient]);
                    term = self.compute("Mul", &[&term, &coefficient]);
                }
                sum = Some(match sum {
                    Some(sum) => self.compute("Add", &[&sum, &term]),
                    None => term,
                });
            }
            let mut sum = sum.expect("a part has a term");
            if part.number != 0 {
                let constant = self.int_list(&[part.number]);
                sum = self.compute("Add", &[&sum, &constant]);
            }
            product = Some(match product {
                Some(product) => self.compute("Mul", &[&product, &sum]),
                None => sum,
            });
        }
        let name = product.expect("there is a part");
        self.computed.insert(number.clone(), name.clone());
        name
    }

    /// The value of a free extent.
    fn free(&mut self, position: usize) -> String {
        let free = &self.source.free[position];
        let key = Number { factor: 1, parts: vec![super::Part { terms: vec![(position, 1)], number: 0 }] };
        if let Some(name) = self.computed.get(&key) {
            return name.clone();
        }
        let graph = self.levels[0].graph();
        let inputs: Vec<NodeId> =
            graph.inputs.iter().filter(|input| input.role == Role::Data).map(|input| input.node).collect();
        let input = self.levels[0].values[&inputs[free.input]].clone();
        let axis = free.axis as i64;
        let shape = protos::node("Shape", &[&input]).int("start", axis).int("end", axis + 1);
        let mut name = self.push_prelude(shape, &free.name);
        if free.number != 0 {
            let number = self.int_list(&[free.number]);
            name = self.compute("Sub", &[&name, &number]);
        }
        if free.factor != 1 {
            let factor = self.int_list(&[free.factor]);
            name = self.compute("Div", &[&name, &factor]);
        }
        self.computed.insert(key, name.clone());
        name
    }

    fn compute(&mut self, op_type: &str, operands: &[&str]) -> String {
        self.push_prelude(protos::node(op_type, operands), &format!("extents/{op_type}"))
    }

    fn push_prelude(&mut self, mut node: NodeProto, name: &str) -> String {
        node.name = Some(unused(&mut self.taken_by_nodes, name));
        let name = self.reserve(name);
        node.output = vec![name.clone()];
        self.prelude.push(node);
        name
    }
}

/// The name, with a number where it is taken; it is taken from then on.
fn unused(taken: &mut HashSet<String>, name: &str) -> String {
    let mut unused = name.to_owned();
    let mut number = 0;
    while !taken.insert(unused.clone()) {
        number += 1;
        unused = format!("{name}_{number}");
    }
    unused
}

/// The places around one: `head` and `head.norm` for `head.norm.weight`.
fn around(place: &str) -> impl Iterator<Item = &str> {
    place.match_indices('.').map(|(end, _)| &place[..end])
}
