//! What stands in a body for training: losses, gradients, and the optimizers' `minimize`.

use syn::{Expr, ExprAssign, ExprCall, ExprLit, ExprMethodCall, Lit};

use super::list;
use super::scope::{Binding, Scope};
use crate::ast::Place;
use crate::body::{Gradient, Loss, Statement, Tensor, Value};
use crate::losses::{Kind, Known, Operand, Reduction, Setting};
use crate::mistakes::spaced;

impl Scope<'_> {
    /// The number of the optimizer that an expression names.
    pub fn optimizer(&self, expression: &Expr) -> Option<usize> {
        let Expr::Path(path) = expression else { return None };
        match self.find(path.path.get_ident()?) {
            Some(Binding::Optimizer(number)) => Some(number),
            _ => None,
        }
    }

    /// `minimize` of something else.
    pub fn no_optimizer<T>(&mut self, call: &ExprMethodCall) -> Option<T> {
        let name = spaced(&call.receiver);
        let message = format!(
            "`{name}` is no optimizer of this model: an optimizer is a field that names what it trains, as in `opt: \
             Adam(PART, lr = 1e-3)`, and a `step` says `opt.minimize(loss);`"
        );
        self.mistake(&call.receiver, message)
    }

    /// `optimizer.minimize(loss);`
    pub fn minimize(&mut self, call: &ExprMethodCall) -> Option<Statement> {
        let (optimizer, name) = (self.optimizer(&call.receiver)?, spaced(&call.receiver));
        if call.method != "minimize" {
            let message = match call.method.to_string().as_str() {
                "step" | "zero_grad" | "backward" => format!(
                    "`{name}.minimize(loss)` is PyTorch's `zero_grad()`, `backward()` and `step()` in one: write it, and \
                     leave these out"
                ),
                method => format!("an optimizer has no method `{method}`; it has `{name}.minimize(loss)`"),
            };
            return self.mistake(&call.method, message);
        }
        if !self.updates {
            let message = "an `eval` changes no parameters: minimize in a `step`";
            return self.mistake(call, message);
        }
        let Some(loss) = call.args.first().filter(|_| call.args.len() == 1) else {
            return self.mistake(call, format!("an optimizer minimizes one loss: `{name}.minimize(loss)`"));
        };
        let (text, place) = (spaced(loss), Place::of(loss));
        match self.value(loss)? {
            Value::Tensor(loss) => {
                self.minimizing.push(optimizer);
                Some(Statement::Minimize { optimizer, loss, text, place })
            }
            // What would have made a tensor of it may have a mistake.
            Value::Number(_) if !self.complete => None,
            Value::Number(_) | Value::Tuple(_) => self.mistake(loss, "a loss is one tensor, and this is none"),
        }
    }

    /// `grad(loss, x)`
    pub fn gradient(&mut self, call: &ExprCall) -> Option<Tensor> {
        let (Some(loss), Some(of), 2) = (call.args.first(), call.args.last(), call.args.len()) else {
            let message = "`grad(loss, x)` is the gradient of a scalar in a value: it takes these two";
            return self.mistake(call, message);
        };
        if let Expr::Assign(_) = loss {
            return self
                .mistake(call, "`grad(loss, x)` is the gradient of a scalar in a value, and takes both without names");
        }
        let (text, place) = (spaced(loss), Place::of(loss));
        let value = match self.value(loss)? {
            Value::Tensor(loss) => loss,
            Value::Number(_) | Value::Tuple(_) => return self.mistake(loss, "a loss is one tensor, and this is none"),
        };
        match (of, self.value(of)?) {
            (_, Value::Tensor(Tensor::Variable(of))) => {
                Some(Tensor::Gradient(Box::new(Gradient { loss: value, of, text, place })))
            }
            _ => self.mistake(of, "a gradient is taken in an input or a value with a name: `grad(loss, x)`"),
        }
    }

    /// `mse(input, target, reduction = "sum")`
    pub fn loss(&mut self, known: &'static Known, call: &ExprCall) -> Option<Tensor> {
        let name = known.name;
        let mut given = Vec::new();
        let mut options: Vec<Option<Setting>> = known.options.iter().map(|_| None).collect();
        let mut right = true;
        for argument in &call.args {
            let Expr::Assign(ExprAssign { left, right: value, .. }) = argument else {
                given.push(argument);
                continue;
            };
            let option = spaced(left);
            match known.options.iter().position(|(known, _)| *known == option) {
                Some(position) if options[position].is_some() => {
                    self.mistake::<()>(left, format!("`{option}` of `{name}` is given twice"));
                    right = false;
                }
                Some(position) => {
                    options[position] = self.setting(known.options[position], value);
                    right &= options[position].is_some();
                }
                None => {
                    let names = list(known.options.iter().map(|(name, _)| format!("`{name}`")));
                    self.mistake::<()>(left, format!("unknown option `{option}`: `{name}` takes {names}"));
                    right = false;
                }
            }
        }
        if given.len() != known.operands.len() {
            let names: Vec<&str> = known.operands.iter().map(|(name, _)| *name).collect();
            let message = format!(
                "`{name}` compares {} values: `{name}({})`; its options have names",
                match names.len() {
                    2 => "two",
                    3 => "three",
                    _ => "four",
                },
                names.join(", ")
            );
            return self.mistake(call, message);
        }
        let mut operands = Vec::new();
        for (argument, (operand, kind)) in given.into_iter().zip(known.operands) {
            let expected = match kind {
                Operand::Number => "one tensor or a number",
                Operand::Tensor => "a tensor, not a number",
                Operand::Classes => "a tensor of class labels",
                Operand::Lengths => "a tensor of whole numbers",
                Operand::ClassesOrProbabilities => "a tensor of class labels or probabilities",
            };
            match self.value(argument) {
                Some(Value::Number(_)) if *kind != Operand::Number => {
                    right = false;
                    self.mistake::<()>(argument, format!("the {operand} of `{name}` is {expected}"));
                }
                Some(Value::Tuple(_)) => {
                    right = false;
                    self.mistake::<()>(argument, format!("the {operand} of `{name}` is {expected}"));
                }
                value => {
                    right &= value.is_some();
                    operands.extend(value);
                }
            }
        }
        let (text, place) = (spaced(call), Place::of(call));
        right.then(|| Tensor::Loss(Box::new(Loss { loss: known, operands, options, text, place })))
    }

    fn setting(&mut self, (name, kind): (&str, Kind), value: &Expr) -> Option<Setting> {
        match kind {
            Kind::Tensor => match self.value(value)? {
                Value::Tensor(tensor) => Some(Setting::Tensor(tensor)),
                Value::Number(_) | Value::Tuple(_) => {
                    self.mistake(value, format!("`{name}` is a tensor, and this is a number"))
                }
            },
            Kind::Number(_) | Kind::Whole(_) | Kind::Flag(_) => match self.value(value)? {
                Value::Number(number) => Some(Setting::Number(number)),
                Value::Tensor(_) | Value::Tuple(_) => {
                    let kind = if let Kind::Flag(_) = kind { "`true` or `false`" } else { "a constant number" };
                    self.mistake(value, format!("`{name}` is {kind}, and this is a tensor"))
                }
            },
            Kind::Reduction | Kind::BatchReduction => {
                let text = match value {
                    Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) => Reduction::find(&text.value()),
                    _ => None,
                };
                let of_batches = kind == Kind::BatchReduction;
                match text.filter(|reduction| of_batches || *reduction != Reduction::BatchMean) {
                    Some(reduction) => Some(Setting::Reduction(reduction)),
                    None => {
                        let more = if of_batches { "\"batchmean\", " } else { "" };
                        self.mistake(value, format!("`reduction` is {more}\"mean\", \"sum\" or \"none\""))
                    }
                }
            }
        }
    }
}

impl Loss {
    /// The value of an option, by its name in the table.
    pub fn option(&self, name: &str) -> Option<&Setting> {
        let position = self.loss.options.iter().position(|(known, _)| *known == name)?;
        self.options[position].as_ref()
    }

    /// What becomes of the single losses.
    pub fn reduction(&self) -> Reduction {
        match self.option("reduction") {
            Some(Setting::Reduction(reduction)) => *reduction,
            _ => Reduction::Mean,
        }
    }

    /// The value of an option that is a tensor.
    pub fn tensor(&self, name: &str) -> Option<&Tensor> {
        match self.option(name) {
            Some(Setting::Tensor(tensor)) => Some(tensor),
            _ => None,
        }
    }
}
