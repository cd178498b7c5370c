//! Running the Python of programs: values are nodes of a graph, calls build layers and operations, `backward` adds
//! gradients, an optimizer's `step` records updates.

use std::collections::BTreeMap;

use kiln_graph::build::AxisList;
use kiln_graph::optimizers::{Optimization, Optimizer, Sgd};
use kiln_graph::shape::rules::AttentionInputs;
use kiln_graph::{Builder, Value};

use crate::case::{Attributes, Refusal};
use crate::python::{Expression, Statement, parse};
use crate::{attention, layers, losses, ops};

/// A network: its layers by path, with class and arguments.
pub type Layers = BTreeMap<String, (String, Attributes)>;

/// What a name stands for.
#[derive(Clone)]
pub enum Object<'g> {
    /// A tensor.
    Tensor(Value<'g>),
    /// A number.
    Number(f64),
    /// A list or a tuple.
    List(Vec<Object<'g>>),
    /// A layer, a list of layers or a network, by path.
    Layer(String),
    /// A function of torch, or a module that holds functions.
    Function(String),
    /// An optimizer of the parameters under a path.
    Optimizer(String),
    /// A method of an object.
    Method(Box<Object<'g>>, String),
}

/// The state of a run.
pub struct Script<'g, 's> {
    /// The graph.
    pub g: &'g Builder,
    /// The layers.
    pub layers: &'s Layers,
    /// The lines of the `forward` of networks that have one, by path.
    pub forwards: &'s BTreeMap<String, Vec<String>>,
    /// The trained states: every parameter by its name.
    pub parameters: &'s [(String, Value<'g>)],
    /// The other states by name: running statistics.
    pub buffers: &'s [(String, Value<'g>)],
    /// Other values in which gradients are wanted.
    pub leaves: Vec<(String, Value<'g>)>,
    /// The rule of all optimizers.
    pub optimizer: Option<&'s dyn Optimizer>,
    /// The names.
    pub names: BTreeMap<String, Object<'g>>,
    /// The gradients so far.
    pub gradients: BTreeMap<String, Value<'g>>,
    /// The losses whose backward pass ran.
    pub losses: Vec<Value<'g>>,
    /// The gradients that an optimizer last stepped along.
    pub stepped: BTreeMap<String, Value<'g>>,
}

impl<'g> Script<'g, '_> {
    /// Runs lines; gives what they return.
    pub fn run(&mut self, lines: &[&str]) -> Result<Option<Value<'g>>, Refusal> {
        self.statements(&parse(lines)?)
    }

    fn statements(&mut self, statements: &[Statement]) -> Result<Option<Value<'g>>, Refusal> {
        for statement in statements {
            match statement {
                Statement::Assign(name, value) => {
                    let value = self.evaluate(value)?;
                    self.names.insert(name.clone(), value);
                }
                Statement::Evaluate(value) => {
                    let result = self.evaluate(value)?;
                    // A method in place, `y.detach_()`, gives the name its result.
                    if let Expression::Call(method, _) = value
                        && let Expression::Member(object, name) = &**method
                        && let Expression::Name(object) = &**object
                        && name.ends_with('_')
                    {
                        self.names.insert(object.clone(), result);
                    }
                }
                Statement::Return(value) => {
                    let result = self.evaluate(value)?;
                    return self.tensor(result).map(Some);
                }
                Statement::For { index, item, over, body } => {
                    let Object::Layer(path) = self.evaluate(over)? else { return Err(unsupported("a loop")) };
                    let inside = |name: &&String| name.starts_with(&format!("{path}."));
                    for number in 0..self.layers.keys().filter(inside).count() {
                        self.names.insert(index.clone(), Object::Number(number as f64));
                        self.names.insert(item.clone(), Object::Layer(format!("{path}.{number}")));
                        if let Some(result) = self.statements(body)? {
                            return Ok(Some(result));
                        }
                    }
                }
            }
        }
        Ok(None)
    }

    fn tensor(&self, object: Object<'g>) -> Result<Value<'g>, Refusal> {
        match object {
            Object::Tensor(value) => Ok(value),
            Object::Number(number) => Ok(self.g.scalar(number)),
            _ => Err(unsupported("something other than a tensor")),
        }
    }

    fn evaluate(&mut self, expression: &Expression) -> Result<Object<'g>, Refusal> {
        Ok(match expression {
            Expression::Number(number) => Object::Number(*number),
            Expression::Name(name) => match self.names.get(name) {
                Some(object) => object.clone(),
                None => Object::Function(name.clone()),
            },
            Expression::List(items) => {
                Object::List(items.iter().map(|item| self.evaluate(item)).collect::<Result<_, _>>()?)
            }
            Expression::Member(object, name) => match self.evaluate(object)? {
                Object::Layer(path) => Object::Layer(joined(&path, name)),
                Object::Function(_) => Object::Function(name.clone()),
                object => Object::Method(Box::new(object), name.clone()),
            },
            Expression::Index(object, index) => match (self.evaluate(object)?, self.evaluate(index)?) {
                (Object::Layer(path), Object::Number(index)) => Object::Layer(joined(&path, &index.to_string())),
                (Object::List(items), Object::Number(index)) => {
                    items.get(index as usize).cloned().ok_or_else(|| unsupported("an index"))?
                }
                (Object::Method(object, name), Object::Number(axis)) if name == "shape" => match *object {
                    Object::Tensor(x) => Object::Number(x.shape().dim(axis as usize) as f64),
                    _ => return Err(unsupported("a shape")),
                },
                _ => return Err(unsupported("an index")),
            },
            Expression::Binary(operator, left, right) => match (self.evaluate(left)?, self.evaluate(right)?) {
                (Object::Number(a), Object::Number(b)) => Object::Number(match operator {
                    '+' => a + b,
                    '-' => a - b,
                    '*' => a * b,
                    '/' => a / b,
                    _ => (a / b).floor(),
                }),
                (a, b) => {
                    let (a, b) = (self.tensor(a)?, self.tensor(b)?);
                    Object::Tensor(match operator {
                        '+' => a + b,
                        '-' => a - b,
                        '*' => a * b,
                        '/' => a / b,
                        _ => return Err(unsupported("// of tensors")),
                    })
                }
            },
            Expression::Call(function, arguments) => {
                let function = self.evaluate(function)?;
                let arguments =
                    arguments.iter().map(|argument| self.evaluate(argument)).collect::<Result<Vec<_>, _>>()?;
                self.call(function, &arguments)?
            }
        })
    }

    fn call(&mut self, function: Object<'g>, arguments: &[Object<'g>]) -> Result<Object<'g>, Refusal> {
        let value = match (&function, arguments) {
            (Object::Layer(path), [Object::Tensor(x)]) => self.forward(path, *x)?,
            (Object::Layer(path), [Object::Tensor(query), Object::Tensor(key), Object::Tensor(value), rest @ ..]) => {
                // The one mask by name that programs have.
                let attn_mask = if let [Object::Tensor(mask), ..] = rest { Some(*mask) } else { None };
                let (query, key, value) = (*query, *key, *value);
                return self.attend(
                    path,
                    &AttentionInputs {
                        query,
                        key,
                        value,
                        key_padding_mask: None,
                        attn_mask,
                        is_causal: false,
                        average_attn_weights: true,
                    },
                );
            }
            (Object::Function(name), [Object::Tensor(x), rest @ ..]) => match (name.as_str(), rest) {
                ("relu", []) => x.relu(),
                ("gather", [Object::Number(axis), Object::Tensor(indices)]) => x.gather(*axis as i32, *indices),
                ("index_select", [Object::Number(axis), Object::Tensor(indices)]) => {
                    kiln_graph::functions::index_select(*x, *axis as isize, *indices)
                }
                ("l1", [Object::Tensor(target)]) => {
                    losses::apply("L1Loss", &Attributes::default(), *x, *target, None, None)?
                }
                ("gelu", []) => kiln_graph::layers::activation::gelu(*x, kiln_graph::layers::GeluApproximation::None),
                ("leaky_relu", [Object::Number(slope)]) => kiln_graph::layers::activation::leaky_relu(*x, *slope),
                ("bce", [Object::Number(target)]) => {
                    let target = self.g.full(x.shape(), *target);
                    losses::apply("BCEWithLogitsLoss", &Attributes::default(), *x, target, None, None)?
                }
                (_, []) => ops::unary(name, *x).ok_or_else(|| unsupported(name))?,
                _ => return Err(unsupported(name)),
            },
            (Object::Function(name), [Object::List(parameters), ..]) if name == "SGD" && parameters.is_empty() => {
                // An optimizer is made with what it trains, and says so when it minimizes.
                Optimization::new("", &Sgd::default(), |_, _| ()).minimize(self.g, self.g.scalar(0.0));
                self.g.scalar(0.0)
            }
            (Object::Function(name), [Object::Number(extent)]) if name == "zeros" => {
                self.g.full([*extent as usize], 0.0)
            }
            (Object::Function(name), [Object::Number(rows), Object::Number(columns)]) if name == "ones" => {
                self.g.full([*rows as usize, *columns as usize], 1.0)
            }
            (Object::Function(name), [Object::List(parts), Object::Number(axis)]) if name == "cat" => {
                let tensor = |part: &Object<'g>| match part {
                    Object::Tensor(value) => Ok(*value),
                    _ => Err(unsupported("cat")),
                };
                let parts = parts.iter().map(tensor).collect::<Result<Vec<_>, _>>()?;
                self.g.concat(&parts, *axis as i32)
            }
            (Object::Method(object, name), arguments) => match (&**object, name.as_str(), arguments) {
                (Object::Tensor(x), "sum", []) => x.sum(..),
                (Object::Tensor(x), "mean", []) => x.mean(..),
                (Object::Tensor(x), "sum", [axes]) => x.sum(axis_list(axes)?),
                (Object::Tensor(x), "mean", [axes]) => x.mean(axis_list(axes)?),
                (Object::Tensor(x), "detach" | "detach_", []) => x.detach(),
                (Object::Tensor(x), "requires_grad_", []) => {
                    let known =
                        self.names.iter().find(|(_, known)| matches!(known, Object::Tensor(v) if v.id() == x.id()));
                    self.leaves.extend(known.map(|(name, _)| (name.clone(), *x)));
                    *x
                }
                (Object::Tensor(loss), "backward", []) => {
                    self.backward(*loss)?;
                    *loss
                }
                (Object::Tensor(y), "backward", [Object::Tensor(cotangent)]) => {
                    self.backward((*y * *cotangent).sum(..))?;
                    *y
                }
                (Object::Tensor(x), "max", []) => x.amax(..),
                (Object::Tensor(x), "bool", []) => x.ne(0.0),
                (Object::Tensor(x), "triu", [Object::Number(diagonal)]) => {
                    kiln_graph::functions::triu(*x, *diagonal as isize)
                }
                (Object::Tensor(x), "transpose", [Object::Number(a), Object::Number(b)]) => {
                    x.transpose(*a as i32, *b as i32)
                }
                (Object::Tensor(x), _, []) => ops::unary(name, *x).ok_or_else(|| unsupported(name))?,
                (Object::Optimizer(path), "zero_grad", []) => {
                    self.gradients.retain(|name, _| !name.starts_with(&format!("{path}.")));
                    return Ok(function.clone());
                }
                (Object::Optimizer(path), "step", []) => {
                    self.step(&format!("{path}."))?;
                    return Ok(function.clone());
                }
                _ => return Err(unsupported(name)),
            },
            (Object::Function(name), _) => return Err(unsupported(name)),
            _ => return Err(unsupported("a call")),
        };
        Ok(Object::Tensor(value))
    }

    /// The present value of a parameter or a buffer of a layer.
    fn parameter(&self, path: &str, name: &str) -> Option<Value<'g>> {
        let name = joined(path, name);
        let find =
            |values: &[(String, Value<'g>)]| values.iter().find(|(known, _)| *known == name).map(|(_, state)| *state);
        find(self.parameters).map(|state| self.g.current(state)).or_else(|| find(self.buffers))
    }

    /// The result and the weights of an attention.
    fn attend(&self, path: &str, inputs: &AttentionInputs<Value<'g>>) -> Result<Object<'g>, Refusal> {
        let (_, attributes) = self.layers.get(path).ok_or_else(|| unsupported(path))?;
        let results = attention::apply(attributes, inputs, &|name| self.parameter(path, name))?;
        Ok(Object::List(results.map(Object::Tensor).into()))
    }

    /// A layer, a network with a `forward`, or all layers under the path in turn.
    pub fn forward(&mut self, path: &str, x: Value<'g>) -> Result<Value<'g>, Refusal> {
        if let Some((class, attributes)) = self.layers.get(path) {
            return layers::apply(class, attributes, x, &|name| self.parameter(path, name));
        }
        if let Some(lines) = self.forwards.get(path) {
            let inside = [("self", Object::Layer(path.into())), ("x", Object::Tensor(x))];
            let inside = inside.map(|(name, object)| (name.to_owned(), object)).into();
            let outside = std::mem::replace(&mut self.names, inside);
            let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
            let result = self.run(&lines)?;
            self.names = outside;
            return result.ok_or_else(|| unsupported("a forward function without a result"));
        }
        let count = (0..).take_while(|number| self.layers.contains_key(&joined(path, &number.to_string()))).count();
        if count == 0 {
            return Err(unsupported(path));
        }
        (0..count).try_fold(x, |x, number| self.forward(&joined(path, &number.to_string()), x))
    }

    /// Adds the gradients of a loss to those so far.
    pub fn backward(&mut self, loss: Value<'g>) -> Result<(), Refusal> {
        self.losses.push(loss);
        let current = self.parameters.iter().map(|(name, state)| (name.clone(), self.g.current(*state)));
        let leaves: Vec<(String, Value<'g>)> = current.chain(self.leaves.iter().cloned()).collect();
        let values: Vec<Value<'g>> = leaves.iter().map(|(_, value)| *value).collect();
        for ((name, _), gradient) in leaves.into_iter().zip(self.g.gradients_of(loss, &values)?) {
            let sum = self.gradients.get(&name).map_or(gradient, |&before| before + gradient);
            self.gradients.insert(name, sum);
        }
        Ok(())
    }

    /// One step of the optimizer of the parameters whose names begin with the prefix.
    pub fn step(&mut self, prefix: &str) -> Result<(), Refusal> {
        let optimizer = self.optimizer.ok_or_else(|| unsupported("a step without an optimizer"))?;
        let own = self.parameters.iter().filter(|(name, _)| name.starts_with(prefix));
        let own: Vec<(String, Value<'g>)> = own.cloned().collect();
        let gradient = |(name, state): &(String, Value<'g>)| {
            self.gradients.get(name).copied().unwrap_or_else(|| self.g.full(state.shape(), 0.0))
        };
        let gradients: Vec<Value<'g>> = own.iter().map(gradient).collect();
        self.stepped.extend(own.iter().map(|(name, _)| name.clone()).zip(gradients.iter().copied()));
        // Two optimizers count their own steps.
        let _scope = (!prefix.is_empty()).then(|| self.g.enter(prefix.trim_end_matches('.')));
        optimizer.apply(self.g, &own, &gradients);
        Ok(())
    }
}

/// An axis or several.
fn axis_list(axes: &Object<'_>) -> Result<AxisList, Refusal> {
    let axis = |object: &Object<'_>| match object {
        Object::Number(axis) => Ok(*axis as i32),
        _ => Err(unsupported("axes that are no numbers")),
    };
    let axes = match axes {
        Object::List(axes) => axes.iter().map(axis).collect::<Result<Vec<_>, _>>()?,
        other => vec![axis(other)?],
    };
    Ok(AxisList::from(&axes[..]))
}

fn joined(path: &str, name: &str) -> String {
    if path.is_empty() { name.into() } else { format!("{path}.{name}") }
}

fn unsupported(what: &str) -> Refusal {
    Refusal::later(format!("{what} in a program"))
}
