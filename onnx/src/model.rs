//! [`OnnxModel`]: a model from a file, with what is said of its inputs; a layer of Kiln's. Knows no operators.

mod head;
mod tensors;

use std::path::Path as FilePath;
use std::sync::Arc;

use kiln_graph::model::{Kind, Path};
use kiln_graph::shape::{Sizes, extent};
use kiln_graph::{Builder, GraphError, Layer, Parameter, Shape, Type, Value};
use ndarray::{ArrayRef, Dimension};
use prost::Message;
use prost::bytes::Bytes;
use rustc_hash::{FxHashMap, FxHashSet};

use crate::constant::{Beside, Constant, Data};
use crate::element::Element;
use crate::error::OnnxError;
use crate::proto::ModelProto;
use crate::read::evaluate::{Evaluator, layer_of};
use crate::read::graph::{Dim, Graph, Input, Place, Stored};
use crate::read::item::{Item, Tensor};
use crate::read::prune::{constants, prune};
use crate::read::{file, files};

/// A model from an ONNX file.
///
/// It is a [`Layer`], whose parameters are the tensors of the file under their names there, so that it stands in other models
/// and is trained as they are: weights are [trained](Kind::Trained), statistics and other numbers are [buffers](Kind::Buffer).
///
/// A graph of Kiln's is of numbers of a certain shape. The file may leave extents open; then it becomes another graph for each
/// shape that is asked for, as a model with a free batch size does. All arithmetic on shapes is done meanwhile.
#[derive(Clone, Debug)]
pub struct OnnxModel {
    contents: Arc<Contents>,
    parameters: Vec<(String, Parameter)>,
    inputs: Vec<Input>,
    given: Vec<(String, Arc<Constant>)>,
    /// Whether steps of training normalize by the batch's statistics.
    batch_statistics: bool,
}

#[derive(Debug)]
struct Contents {
    graph: Graph,
    stored: Vec<Stored>,
    opset: i64,
}

impl OnnxModel {
    /// Reads a file, and what it refers to beside it.
    ///
    /// # Errors
    /// [`OnnxError::Read`], [`OnnxError::Format`], [`OnnxError::Tensor`].
    pub fn load(path: impl AsRef<FilePath>) -> Result<OnnxModel, OnnxError> {
        let path = path.as_ref();
        let bytes = std::fs::read(path).map_err(|error| OnnxError::Read { path: path.to_owned(), error })?;
        OnnxModel::read(bytes.into(), Beside::Folder(path.parent().unwrap_or(FilePath::new(""))))
    }

    /// Reads a file's bytes; it can not refer to others.
    ///
    /// # Errors
    /// [`OnnxError::Format`], [`OnnxError::Tensor`].
    pub fn from_bytes(bytes: impl Into<Bytes>) -> Result<OnnxModel, OnnxError> {
        OnnxModel::read(bytes.into(), Beside::Nothing)
    }

    /// Reads a file's bytes and those of the files that it refers to, by the names that it has for them: see
    /// [`OnnxModel::files`].
    ///
    /// # Errors
    /// [`OnnxError::Format`], [`OnnxError::Tensor`].
    pub fn from_files(bytes: impl Into<Bytes>, beside: &[(&str, &[u8])]) -> Result<OnnxModel, OnnxError> {
        OnnxModel::read(bytes.into(), Beside::Files(beside))
    }

    /// The names of the files that a file's bytes refer to, in which tensors lie.
    ///
    /// # Errors
    /// [`OnnxError::Format`].
    pub fn files(bytes: impl Into<Bytes>) -> Result<Vec<String>, OnnxError> {
        Ok(files::names(&decoded(bytes.into())?).into_iter().collect())
    }

    fn read(bytes: Bytes, beside: Beside<'_>) -> Result<OnnxModel, OnnxError> {
        let file::Contents { graph, mut stored, opset } = file::read(&decoded(bytes)?, beside)?;
        let graph = prune(graph);
        let parameters = tensors::parameters(&graph, &mut stored);
        let inputs = graph.inputs.clone();
        let contents = Arc::new(Contents { graph, stored, opset });
        Ok(OnnxModel { contents, parameters, inputs, given: Vec::new(), batch_statistics: false })
    }

    /// The version of ONNX's operators that the file asks for.
    pub fn opset(&self) -> i64 {
        self.contents.opset
    }

    /// What the model takes, but for what [`OnnxModel::with`] has given.
    pub fn inputs(&self) -> &[Input] {
        &self.inputs
    }

    /// The names of what the model gives.
    pub fn outputs(&self) -> &[String] {
        &self.contents.graph.outputs
    }

    /// Gives other values than the file says: any that a node gives, by their names, such as the features in front of a
    /// classifier's last layer. What only other values need is left out, with its parameters.
    ///
    /// # Errors
    /// [`OnnxError::UnknownValue`].
    pub fn with_outputs(mut self, names: &[&str]) -> Result<OnnxModel, OnnxError> {
        let graph = &self.contents.graph;
        for &name in names {
            let given = graph.nodes.iter().flat_map(|node| &node.outputs).any(|own| own == name);
            if name.is_empty() || !given {
                return Err(OnnxError::UnknownValue { name: name.to_owned() });
            }
        }
        let outputs = names.iter().map(|&name| name.to_owned()).collect();
        let graph = prune(Graph { outputs, ..graph.clone() });
        let mut used = vec![false; self.contents.stored.len()];
        constants(&graph, &mut |number| used[number] = true);
        let mut stored = self.contents.stored.clone();
        let mut all: Vec<Option<(String, Parameter)>> =
            std::mem::take(&mut self.parameters).into_iter().map(Some).collect();
        for (tensor, used) in stored.iter_mut().zip(used) {
            let (first, count) = match tensor.place {
                Place::Parameter(first) if used => (first, 1),
                Place::Halves(first) if used => (first, 2),
                Place::Written | Place::Parameter(_) | Place::Halves(_) => continue,
            };
            let place = self.parameters.len();
            self.parameters.extend(all[first..first + count].iter_mut().filter_map(Option::take));
            tensor.place = if count == 1 { Place::Parameter(place) } else { Place::Halves(place) };
        }
        self.contents = Arc::new(Contents { graph, stored, opset: self.contents.opset });
        Ok(self)
    }

    /// The tensors of the file that a graph has as parameters, by their names.
    pub fn parameters(&self) -> impl Iterator<Item = (&str, &Parameter)> {
        self.parameters.iter().map(|(name, parameter)| (name.as_str(), parameter))
    }

    /// Says for each parameter whether it is trained; buffers are not.
    pub fn set_trained(&mut self, trained: impl Fn(&str) -> bool) {
        for (name, parameter) in &mut self.parameters {
            match (parameter.kind, trained(name)) {
                (Kind::Trained, false) => parameter.kind = Kind::Frozen,
                (Kind::Frozen, true) => parameter.kind = Kind::Trained,
                (Kind::Trained | Kind::Frozen | Kind::Buffer | Kind::Counter, _) => {}
            }
        }
    }

    /// Whether `BatchNormalization` nodes do in training what PyTorch's batch norms do in `train()`: normalize by the mean and the
    /// variance of the batch, and take them into the file's, which evaluation takes. Default: no, they stay as they are, as in
    /// `eval()`.
    ///
    /// # Errors
    /// [`OnnxError::NoBatchNorm`] for a file without such nodes, such as one whose exporter has folded them into the weights
    /// before them: there is nothing that could follow the batch.
    pub fn set_batch_statistics(&mut self, of_batch: bool) -> Result<(), OnnxError> {
        if of_batch && !tensors::follows_batches(&self.contents.graph) {
            return Err(OnnxError::NoBatchNorm);
        }
        self.batch_statistics = of_batch;
        Ok(())
    }

    /// Gives an input a value, which shapes may then depend on.
    ///
    /// # Errors
    /// [`OnnxError::UnknownInput`]; [`OnnxError::Input`] for another shape or element type than the file says.
    pub fn with(mut self, name: &str, value: impl Into<Constant>) -> Result<OnnxModel, OnnxError> {
        let position = self.position(name)?;
        let mut constant = value.into();
        let input = &self.inputs[position];
        let refused = |reason: String| OnnxError::Input { name: name.to_owned(), reason };
        if let Some(element) = input.element {
            constant = converted(constant, element).map_err(refused)?;
        }
        // A number is taken for a vector of one, or a matrix of one.
        if let Some(dims) = &input.shape {
            let one = |dim: &Dim| matches!(dim, Dim::Known(1) | Dim::Free(_));
            if constant.shape.is_empty() && dims.iter().all(one) {
                constant.shape = vec![1; dims.len()];
            }
        }
        self.check(position, &constant.shape)?;
        self.inputs.remove(position);
        self.given.push((name.to_owned(), Arc::new(constant)));
        Ok(self)
    }

    /// Says the shape of an input; extents that have the name of one of these get its number everywhere. With [`Shape::N`] as the
    /// first extent the input takes any number of rows, also where the file says a number. What the file leaves open may stay free
    /// for a model that this is a part of: `T` by [`extent::free("T")`](kiln_graph::shape::extent::free).
    ///
    /// # Errors
    /// [`OnnxError::UnknownInput`]; [`OnnxError::Input`] for what the file does not allow.
    pub fn shape(mut self, name: &str, extents: &[usize]) -> Result<OnnxModel, OnnxError> {
        let position = self.position(name)?;
        let rows = extents.first() == Some(&Shape::N);
        let numbers: Vec<usize> =
            extents.iter().map(|&extent| if extent::is_number(extent) { extent } else { 1 }).collect();
        crate::read::context::shape(&numbers)
            .map_err(|fault| OnnxError::Input { name: name.to_owned(), reason: fault.to_string() })?;
        if let (true, Some([first, ..])) = (rows, self.inputs[position].shape.as_deref_mut()) {
            *first = Dim::Free(String::new());
        }
        self.check(position, extents)?;
        let dim = |extent: usize| match extent {
            Shape::N => Dim::Free(String::new()),
            free if extent::is_free(free) => Dim::Length(free),
            number => Dim::Known(number),
        };
        if let Some(dims) = self.inputs[position].shape.take() {
            for (old, &extent) in dims.iter().zip(extents).skip(usize::from(rows)) {
                if let Dim::Free(free) = old
                    && !free.is_empty()
                {
                    self.name_extent(free, &dim(extent));
                }
            }
        }
        self.inputs[position].shape = Some(extents.iter().map(|&extent| dim(extent)).collect());
        Ok(self)
    }

    fn name_extent(&mut self, free: &str, to: &Dim) {
        for dim in self.inputs.iter_mut().filter_map(|input| input.shape.as_mut()).flatten() {
            if matches!(dim, Dim::Free(name) if name == free) {
                dim.clone_from(to);
            }
        }
    }

    fn position(&self, name: &str) -> Result<usize, OnnxError> {
        let position = self.inputs.iter().position(|input| input.name == name);
        position.ok_or_else(|| {
            let known: Vec<String> = self.inputs.iter().map(|input| format!("`{}`", input.name)).collect();
            let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
            OnnxError::UnknownInput { name: name.to_owned(), known }
        })
    }

    fn check(&self, position: usize, extents: &[usize]) -> Result<(), OnnxError> {
        let Input { name, shape, .. } = &self.inputs[position];
        let Some(dims) = shape else { return Ok(()) };
        let fits = |(dim, extent): (&Dim, &usize)| !matches!(dim, Dim::Known(known) if known != extent);
        if dims.len() == extents.len() && dims.iter().zip(extents).all(fits) {
            return Ok(());
        }
        let dims: Vec<String> = dims.iter().map(Dim::to_string).collect();
        let number = |&extent: &usize| match extent {
            Shape::N => "N".to_owned(),
            extent => kiln_graph::Message::new().number(extent).as_str().to_owned(),
        };
        let found: Vec<String> = extents.iter().map(number).collect();
        let reason = format!("the shape should be [{}], but is [{}]", dims.join(", "), found.join(", "));
        Err(OnnxError::Input { name: name.clone(), reason })
    }

    /// The types of the inputs. The first extent of an input may be open, and is then [`Shape::N`]: as many rows as there are.
    ///
    /// # Errors
    /// [`OnnxError::Input`] for one that no graph carries, [`OnnxError::Open`] for an input with another open extent.
    pub fn input_types(&self) -> Result<Vec<Type>, OnnxError> {
        let types = self.free_types()?;
        for (input, ty) in self.inputs.iter().zip(&types) {
            if ty.shape.dims().iter().any(|&extent| extent::is_free(extent)) {
                return Err(OnnxError::Open { name: input.name.clone(), shape: ty.shape.to_string() });
            }
        }
        Ok(types)
    }

    /// As [`OnnxModel::input_types`], with the lengths that [`OnnxModel::shape`] has left free.
    ///
    /// # Errors
    /// As for [`OnnxModel::input_types`].
    pub fn free_types(&self) -> Result<Vec<Type>, OnnxError> {
        let each = self.inputs.iter().map(|input| {
            let refused = |reason: String| OnnxError::Input { name: input.name.clone(), reason };
            let element = input.element.ok_or_else(|| refused("it is no tensor".to_owned()))?;
            let dtype = element.carrier().ok_or_else(|| refused(format!("it holds {element}")))?;
            let dims = input.shape.as_deref().unwrap_or_default();
            let mut extents = Vec::with_capacity(dims.len());
            for (axis, dim) in dims.iter().enumerate() {
                match dim {
                    Dim::Known(extent) | Dim::Length(extent) => extents.push(*extent),
                    Dim::Free(_) if axis == 0 => extents.push(Shape::N),
                    Dim::Free(_) => break,
                }
            }
            if input.shape.is_none() || extents.len() < dims.len() {
                let dims: Vec<String> = dims.iter().map(Dim::to_string).collect();
                let shape = if input.shape.is_some() { format!("[{}]", dims.join(", ")) } else { "..".to_owned() };
                return Err(OnnxError::Open { name: input.name.clone(), shape });
            }
            let numbers: Vec<usize> =
                extents.iter().map(|&extent| if extent::is_number(extent) { extent } else { 1 }).collect();
            crate::read::context::shape(&numbers).map_err(|fault| refused(fault.to_string()))?;
            Ok(Type { dtype, shape: Shape::new(&extents) })
        });
        each.collect()
    }

    /// The model's results for values of its inputs, with its parameters as states of the graph.
    ///
    /// # Errors
    /// [`OnnxError::Input`] for a value that does not fit; [`OnnxError::Node`] for a node that is not computed.
    pub fn build<'g>(&self, g: &'g Builder, values: &[Value<'g>]) -> Result<Vec<Value<'g>>, OnnxError> {
        Ok(self.build_typed(g, values)?.into_iter().map(|(value, _)| value).collect())
    }

    fn build_typed<'g>(&self, g: &'g Builder, values: &[Value<'g>]) -> Result<Vec<(Value<'g>, Element)>, OnnxError> {
        let evaluator = Evaluator::new(g, &self.contents.stored, &self.parameters, self.batch_statistics);
        let results = self.items(&evaluator, values)?;
        let mut found = Vec::with_capacity(results.len());
        for (item, name) in results.iter().zip(&self.contents.graph.outputs) {
            let refused =
                |fault| OnnxError::Node { node: name.clone(), operator: "output".to_owned(), fault: Box::new(fault) };
            let Item::Tensor(tensor) = item else { return Err(refused(crate::error::Fault::NoTensor)) };
            found.push((tensor.value(&evaluator).map_err(refused)?, tensor.element()));
        }
        match g.error() {
            Some(error) => Err(error.into()),
            None => Ok(found),
        }
    }

    /// As [`OnnxModel::build`], for a part of another model: errors are recorded in the builder, and values of these types stand
    /// for the results then.
    pub fn apply<'g>(&self, g: &'g Builder, values: &[Value<'g>], types: &[Type]) -> Vec<Value<'g>> {
        self.build(g, values).unwrap_or_else(|error| {
            g.fail(GraphError::Foreign(error.to_string()));
            types.iter().map(|&ty| g.poison(ty)).collect()
        })
    }

    fn items<'g>(&self, evaluator: &Evaluator<'_, 'g>, values: &[Value<'g>]) -> Result<Vec<Item<'g>>, OnnxError> {
        if values.len() != self.inputs.len() {
            let reason = format!("{} values for {} inputs", values.len(), self.inputs.len());
            return Err(OnnxError::Format { reason });
        }
        let mut items: FxHashMap<&str, Item<'g>> = FxHashMap::default();
        for (position, (input, value)) in self.inputs.iter().zip(values).enumerate() {
            let refused = |reason: String| OnnxError::Input { name: input.name.clone(), reason };
            let element = input.element.unwrap_or(Element::of_values(value.dtype()));
            if element.carrier() != Some(value.dtype()) {
                return Err(refused(format!("it should hold {element}, but holds {}", value.dtype())));
            }
            self.check(position, value.shape().dims())?;
            // No graph carries that, and no operator looks for it.
            if value.shape().elements() == 0 {
                return Err(refused(format!("it has the shape {}, and so no elements", value.shape())));
            }
            items.insert(&input.name, Item::Tensor(Tensor::of_value(*value, element)));
        }
        for (name, constant) in &self.given {
            items.insert(name, Item::Tensor(Tensor::known(Constant::clone(constant))));
        }
        let own = self.contents.graph.inputs.iter();
        let inputs = own.map(|input| items.remove(input.name.as_str()).unwrap_or(Item::Absent)).collect();
        evaluator.graph(&self.contents.graph, None, inputs)
    }

    /// The graph of a prediction of so many rows, where inputs leave that open, and of such free lengths; inputs and outputs are
    /// under their names.
    ///
    /// # Errors
    /// As for [`OnnxModel::free_types`] and [`OnnxModel::build`].
    pub fn predict_graph(&self, sizes: impl Into<Sizes>) -> Result<kiln_graph::Graph, OnnxError> {
        let g = Builder::new("predict");
        for (name, value) in self.contents.graph.outputs.iter().zip(self.results(&g, sizes)?) {
            g.output(name, value);
        }
        Ok(g.finish()?)
    }

    /// The results for so many rows of inputs of the graph, which are under their names.
    ///
    /// # Errors
    /// As for [`OnnxModel::predict_graph`].
    pub fn results<'g>(&self, g: &'g Builder, sizes: impl Into<Sizes>) -> Result<Vec<Value<'g>>, OnnxError> {
        Ok(self.typed_results(g, sizes)?.into_iter().map(|(value, _)| value).collect())
    }

    /// As [`OnnxModel::results`], with the element types that they have in the file.
    ///
    /// # Errors
    /// As for [`OnnxModel::predict_graph`].
    pub fn typed_results<'g>(
        &self,
        g: &'g Builder,
        sizes: impl Into<Sizes>,
    ) -> Result<Vec<(Value<'g>, Element)>, OnnxError> {
        let (types, sizes) = (self.free_types()?, sizes.into());
        let values = self.inputs.iter().zip(types).map(|(input, ty)| g.input_of(&input.name, sizes.ty(ty)));
        self.build_typed(g, &values.collect::<Vec<_>>())
    }
}

/// A model of one input and one output as a layer. Errors are recorded in the builder.
impl Layer for OnnxModel {
    fn forward<'g>(&self, g: &'g Builder, x: Value<'g>) -> Value<'g> {
        match self.build(g, &[x]).as_deref() {
            Ok([first, ..]) => *first,
            Ok([]) => {
                g.fail(GraphError::Foreign("the model has no output".to_owned()));
                x
            }
            Err(error) => {
                g.fail(GraphError::Foreign(error.to_string()));
                x
            }
        }
    }

    fn visit<'a>(&'a self, path: &mut Path, f: &mut dyn FnMut(&str, &'a Parameter)) {
        for (name, parameter) in &self.parameters {
            f(&path.name(name), parameter);
        }
    }

    fn visit_mut(&mut self, path: &mut Path, f: &mut dyn FnMut(&str, &mut Parameter)) {
        for (name, parameter) in &mut self.parameters {
            f(&path.name(name), parameter);
        }
    }

    fn describe(&self, path: &mut Path, f: &mut dyn FnMut(&str, &str)) {
        // Each node with parameters under their layer, as its operations are; then what other parameters there are.
        let Contents { graph, stored, .. } = &*self.contents;
        let numbers: FxHashMap<&str, usize> = graph.constants.iter().map(|(name, n)| (name.as_str(), *n)).collect();
        let mut seen = FxHashSet::default();
        for node in &graph.nodes {
            let place = |name: &String| Some(stored[*numbers.get(name.as_str())?].place);
            let found = node.inputs.iter().filter_map(place).find_map(|place| match place {
                Place::Parameter(parameter) => Some(&self.parameters[parameter]),
                Place::Written | Place::Halves(_) => None,
            });
            if let Some((name, parameter)) = found
                && seen.insert(layer_of(name))
            {
                f(&path.name(layer_of(name)), &format!("{} {}", node.operator, parameter.shape()));
            }
        }
        for (name, parameter) in &self.parameters {
            if seen.insert(layer_of(name)) {
                f(&path.name(layer_of(name)), &format!("parameter {}", parameter.shape()));
            }
        }
    }
}

fn decoded(bytes: Bytes) -> Result<ModelProto, OnnxError> {
    ModelProto::decode(bytes).map_err(|error| OnnxError::Format { reason: error.to_string() })
}

/// A value as the element type of an input.
fn converted(constant: Constant, element: Element) -> Result<Constant, String> {
    let Constant { element: found, shape, data } = constant;
    let data = match (element.carrier(), data) {
        (Some(kiln_graph::DType::F32), Data::Ints(list)) => Data::Floats(list.iter().map(|&x| x as f32).collect()),
        (Some(kiln_graph::DType::Bool), Data::Ints(list)) => Data::Bools(list.iter().map(|&x| x != 0).collect()),
        (carrier, data) => {
            if carrier != found.carrier() {
                return Err(format!("it should hold {element}, but the value holds {found}"));
            }
            data
        }
    };
    Ok(Constant { element, shape, data })
}

/// Numbers that an input may be given.
macro_rules! values {
    ($($ty:ty, $element:ident, $data:ident($as:ty);)*) => {$(
        impl From<$ty> for Constant {
            fn from(number: $ty) -> Constant {
                Constant { element: Element::$element, shape: Vec::new(), data: Data::$data(vec![number as $as]) }
            }
        }

        impl<D: Dimension> From<&ArrayRef<$ty, D>> for Constant {
            fn from(array: &ArrayRef<$ty, D>) -> Constant {
                let shape = array.shape().to_vec();
                let data = Data::$data(array.iter().map(|&number| number as $as).collect());
                Constant { element: Element::$element, shape, data }
            }
        }
    )*};
}

values! {
    f32, F32, Floats(f32);
    i32, I32, Ints(i64);
    i64, I64, Ints(i64);
    bool, BOOL, Bools(bool);
}
