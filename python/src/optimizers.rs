//! Optimizers by PyTorch's names, with PyTorch's settings. It knows their words, and no rule.

use kiln::onnx::{OnnxModel, OnnxTrainer, OnnxTrainerBuilder};
use kiln::optimizers::{
    ASGD, Adadelta, Adafactor, Adagrad, Adam, AdamW, Adamax, Lion, NAdam, RAdam, RMSprop, Rprop, Select, Sgd,
};
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::settings::{Setting, Settings, no_setting, no_such, settings};

/// An optimizer: `Optimizer("AdamW", lr=3e-4)`.
#[pyclass(frozen, module = "kiln")]
pub struct Optimizer {
    name: String,
    settings: Settings,
    options: Settings,
    groups: Vec<(Vec<String>, Settings)>,
}

/// What is done beside the rule of any optimizer.
const OPTIONS: [&str; 5] = ["clip_grad_norm", "clip_grad_value", "accumulate", "ema", "keep_gradients"];

#[pymethods]
impl Optimizer {
    #[new]
    #[pyo3(signature = (name, *, groups=None, **kwargs))]
    fn new(
        name: &str,
        groups: Option<Vec<Bound<'_, PyDict>>>,
        kwargs: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<Optimizer> {
        let (options, own) = settings(kwargs)?.into_iter().partition(|(name, _)| OPTIONS.contains(&name.as_str()));
        let mut of_groups = Vec::new();
        for group in groups.into_iter().flatten() {
            let group = group.copy()?;
            let Some(names) = group.get_item("params")? else {
                return Err(PyTypeError::new_err(
                    "a group says by `params` which parameters it has: names, or what they begin with",
                ));
            };
            group.del_item("params")?;
            let names = names.extract::<String>().map(|name| vec![name]).or_else(|_| names.extract())?;
            of_groups.push((names, settings(Some(&group))?));
        }
        let optimizer = Optimizer { name: name.to_owned(), settings: own, options, groups: of_groups };
        optimizer.check()?;
        Ok(optimizer)
    }

    fn __repr__(&self) -> String {
        format!("Optimizer({:?}, groups={})", self.name, self.groups.len())
    }
}

/// Those that a name, or the beginning of one, says.
fn select(names: &[String]) -> Select {
    let names = names.to_vec();
    Select::by(move |parameter, _| names.iter().any(|name| parameter.starts_with(name.as_str())))
}

/// A rule with one more setting.
macro_rules! set {
    (number, $rule:ident, $name:ident, $value:ident) => {
        $rule.$name($value.number(stringify!($name))?)
    };
    (flag, $rule:ident, $name:ident, $value:ident) => {
        $rule.$name($value.flag(stringify!($name))?)
    };
    (pair, $rule:ident, $name:ident, $value:ident) => {{
        let [first, second] = $value.pair(stringify!($name))?;
        $rule.$name(first, second)
    }};
}

/// Declares which optimizers there are: PyTorch's name, Kiln's type, the settings with their kinds.
macro_rules! optimizers {
    ($($name:literal $ty:ident { $($setting:ident: $kind:ident),* })*) => {
        impl Optimizer {
            /// That there is such an optimizer, with these settings.
            fn check(&self) -> PyResult<()> {
                match self.name.as_str() {
                    $($name => self.rule(&with_settings::$ty, $ty::default()).map(|_| ()),)*
                    other => Err(no_such("optimizer", other, &[$($name),*])),
                }
            }

            /// A trainer's settings, with this optimizer.
            pub fn trainer(&self, model: OnnxModel) -> PyResult<OnnxTrainerBuilder> {
                match self.name.as_str() {
                    $($name => {
                        let mut rule = self.rule(&with_settings::$ty, $ty::default())?;
                        for (name, value) in &self.options {
                            rule = match name.as_str() {
                                "clip_grad_norm" => rule.clip_grad_norm(value.number(name)?),
                                "clip_grad_value" => rule.clip_grad_value(value.number(name)?),
                                "accumulate" => rule.accumulate(value.whole(name)?),
                                "ema" => rule.ema(value.number(name)?),
                                _ => rule.keep_gradients(value.flag(name)?),
                            };
                        }
                        Ok(OnnxTrainer::new(model, rule))
                    })*
                    other => Err(no_such("optimizer", other, &[$($name),*])),
                }
            }
        }

        $(impl Grouped for $ty {
            fn grouped(self, select: Select, own: $ty) -> $ty {
                self.group(select, |_| own)
            }
        })*

        /// Rules with settings of Python's.
        #[allow(non_snake_case)]
        mod with_settings {
            use super::*;

            $(pub fn $ty(mut rule: $ty, settings: &[(String, Setting)]) -> PyResult<$ty> {
                for (name, value) in settings {
                    rule = match name.as_str() {
                        $(stringify!($setting) => set!($kind, rule, $setting, value),)*
                        other => return Err(no_setting($name, other, &[$(stringify!($setting)),*])),
                    };
                }
                Ok(rule)
            })*
        }
    };
}

/// A rule that takes groups.
trait Grouped: Clone {
    fn grouped(self, select: Select, own: Self) -> Self;
}

/// What gives a rule settings.
type With<R> = dyn Fn(R, &[(String, Setting)]) -> PyResult<R>;

impl Optimizer {
    /// The rule with its groups: each has the optimizer's settings, and its own over them.
    fn rule<R: Grouped>(&self, with: &With<R>, default: R) -> PyResult<R> {
        let all = with(default, &self.settings)?;
        let mut rule = all.clone();
        for (names, settings) in &self.groups {
            rule = rule.grouped(select(names), with(all.clone(), settings)?);
        }
        Ok(rule)
    }
}

optimizers! {
    "ASGD" ASGD { lr: number, lambd: number, alpha: number, t0: number, weight_decay: number, maximize: flag }
    "Adadelta" Adadelta { lr: number, rho: number, eps: number, weight_decay: number, maximize: flag }
    "Adafactor" Adafactor { lr: number, beta2_decay: number, eps: pair, d: number, weight_decay: number, maximize: flag }
    "Adagrad" Adagrad {
        lr: number, lr_decay: number, weight_decay: number, initial_accumulator_value: number, eps: number, maximize: flag
    }
    "Adam" Adam {
        lr: number, betas: pair, eps: number, weight_decay: number, amsgrad: flag, maximize: flag,
        decoupled_weight_decay: flag
    }
    "AdamW" AdamW { lr: number, betas: pair, eps: number, weight_decay: number, amsgrad: flag, maximize: flag }
    "Adamax" Adamax { lr: number, betas: pair, eps: number, weight_decay: number, maximize: flag }
    "Lion" Lion { lr: number, betas: pair, weight_decay: number, maximize: flag }
    "NAdam" NAdam {
        lr: number, betas: pair, eps: number, weight_decay: number, momentum_decay: number, decoupled_weight_decay: flag,
        maximize: flag
    }
    "RAdam" RAdam {
        lr: number, betas: pair, eps: number, weight_decay: number, decoupled_weight_decay: flag, maximize: flag
    }
    "RMSprop" RMSprop {
        lr: number, alpha: number, eps: number, weight_decay: number, momentum: number, centered: flag, maximize: flag
    }
    "Rprop" Rprop { lr: number, etas: pair, step_sizes: pair, maximize: flag }
    "SGD" Sgd { lr: number, momentum: number, dampening: number, weight_decay: number, nesterov: flag, maximize: flag }
}
