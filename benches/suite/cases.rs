//! The cases of the suite that Kiln runs so far, and how each runs.

use std::error::Error;
use std::sync::Arc;

use kiln::graph::{Element, optimize};
use kiln::jit::{CompileOptions, Program, Session, States};
use kiln::prelude::*;
use kiln::report::{Profile, Tuning};
use kiln::runtime::Pool;
use kiln::{Steps, TargetElement, Targets};
use ndarray::{Array1, ArrayD};
use serde_json::Value;

use crate::adversaries::{DcGan, DcGanTrainer};
use crate::measure::{Contender, Settings, measure};
use crate::networks::{
    Characters, CharactersTrainer, Gpt, Hourglass, LeNet, MlpMnist, MlpTiny, ModuleList, Recurrent, ResNet18,
    Transformer, VggBn, Volumes, update_graph,
};
use crate::numbers::{initialise, input, labels, tokens, uniform};

/// What is measured of a case.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Forward, loss, backward, update.
    Train,
    /// Forward, one sample.
    Infer,
}

impl Mode {
    /// As in the result line.
    pub fn name(self) -> &'static str {
        match self {
            Mode::Train => "train",
            Mode::Infer => "infer",
        }
    }
}

/// All cases and their modes.
pub const ALL: [(&str, &[Mode]); 14] = [
    ("mlp_tiny", &[Mode::Train]),
    ("mlp_mnist", &[Mode::Train, Mode::Infer]),
    ("module_list", &[Mode::Train]),
    ("lenet", &[Mode::Train, Mode::Infer]),
    ("vgg_bn", &[Mode::Train, Mode::Infer]),
    ("resnet18", &[Mode::Train, Mode::Infer]),
    ("hourglass", &[Mode::Train, Mode::Infer]),
    ("dcgan", &[Mode::Train]),
    ("conv3d", &[Mode::Train]),
    ("transformer", &[Mode::Train, Mode::Infer]),
    ("lstm", &[Mode::Train, Mode::Infer]),
    ("gpt", &[Mode::Train, Mode::Infer]),
    ("adam_10m", &[Mode::Train]),
    ("adam_amsgrad_1m", &[Mode::Train]),
];

/// Runs one case in this process; its result line.
pub fn run(case: &str, mode: Mode, settings: Settings) -> Result<Value, Box<dyn Error>> {
    match case {
        "mlp_tiny" => classes::<MlpTiny>(case, mode, settings, 32),
        "mlp_mnist" => classes::<MlpMnist>(case, mode, settings, 64),
        "module_list" => classes::<ModuleList>(case, mode, settings, 32),
        "lenet" => classes::<LeNet>(case, mode, settings, 64),
        "vgg_bn" => classes::<VggBn>(case, mode, settings, 32),
        "resnet18" => classes::<ResNet18>(case, mode, settings, 16),
        "hourglass" => network::<Hourglass, _, _>(case, mode, settings, mse(), input(&[4, 4, 64, 64], 1)),
        "dcgan" => adversaries(case, mode, settings, 32),
        "conv3d" => classes::<Volumes>(case, mode, settings, 4),
        "transformer" => classes::<Transformer>(case, mode, settings, 16),
        "lstm" => classes::<Recurrent>(case, mode, settings, 32),
        "gpt" => characters(case, mode, settings, 8),
        "adam_10m" => update(case, mode, settings, Adam::default(), 10_000_000),
        "adam_amsgrad_1m" => update(case, mode, settings, Adam::default().weight_decay(1e-2).amsgrad(true), 1_000_000),
        _ => Err(format!("there is no case {case}").into()),
    }
}

/// Classification of so many samples.
fn classes<M: Model<Input = f32, Output = f32>>(
    case: &str,
    mode: Mode,
    settings: Settings,
    batch: usize,
) -> Result<Value, Box<dyn Error>> {
    network::<M, _, _>(case, mode, settings, cross_entropy(), labels(batch, 10))
}

/// A network against targets, one for each sample of the batch.
fn network<M: Model<Input = f32, Output = f32>, L: Loss, Y: Targets<L::Target>>(
    case: &str,
    mode: Mode,
    settings: Settings,
    loss: L,
    y: Y,
) -> Result<Value, Box<dyn Error>>
where
    L::Target: TargetElement,
{
    let batch = y.shape()[0];
    let rows = if mode == Mode::Train { batch } else { 1 };
    let x = input(M::INPUT.with(0, rows).dims(), 0);
    let mut model = M::init(0);
    initialise(&mut model);
    match mode {
        Mode::Train => measure(case, mode, settings, || {
            let trainer = Trainer::new(model, loss, Adam::default())
                .batch(batch)
                .threads(settings.threads)
                .precision(settings.precision)
                .memory_limit(settings.memory_limit);
            let trainer = match settings.tune {
                Some(time) => trainer.tune(time).build()?,
                None => trainer.build()?,
            };
            Ok(Training { trainer, x, y, loss: 0.0 })
        }),
        Mode::Infer => inference(case, settings, model, x),
    }
}

/// The outputs of a model for one sample.
fn inference<M: Model<Input: Element, Output = f32>>(
    case: &str,
    settings: Settings,
    model: M,
    x: ArrayD<M::Input>,
) -> Result<Value, Box<dyn Error>> {
    measure(case, Mode::Infer, settings, || {
        let predictor = Predictor::new(model).batch(1).threads(settings.threads).precision(settings.precision);
        let predictor = match settings.tune {
            Some(time) => predictor.tune(time).build()?,
            None => predictor.build()?,
        };
        Ok(Inference { predictor, x, y: ArrayD::zeros(vec![]) })
    })
}

/// The same batch again and again.
struct Training<M: Model<Output = f32>, L: Loss, Y> {
    trainer: Trainer<M, L, Adam>,
    x: ArrayD<f32>,
    y: Y,
    loss: f32,
}

impl<M: Model<Input = f32, Output = f32>, L: Loss, Y: Targets<L::Target>> Contender for Training<M, L, Y>
where
    L::Target: TargetElement,
{
    fn step(&mut self) -> Result<(), Box<dyn Error>> {
        self.loss = self.trainer.step(&self.x, &self.y)?;
        Ok(())
    }

    fn profile(&mut self) -> Result<Option<Profile>, Box<dyn Error>> {
        Ok(Some(self.trainer.profile()?))
    }

    fn tuning(&self) -> Option<&Tuning> {
        self.trainer.tuning()
    }

    fn loss(&mut self) -> Result<f64, Box<dyn Error>> {
        Ok(self.loss.into())
    }
}

/// One sample.
struct Inference<M: Model> {
    predictor: Predictor<M>,
    x: ArrayD<M::Input>,
    y: ArrayD<f32>,
}

impl<M: Model<Input: Element, Output = f32>> Contender for Inference<M> {
    fn step(&mut self) -> Result<(), Box<dyn Error>> {
        self.y = self.predictor.predict(&self.x)?;
        Ok(())
    }

    fn profile(&mut self) -> Result<Option<Profile>, Box<dyn Error>> {
        Ok(Some(self.predictor.profile()?))
    }

    fn tuning(&self) -> Option<&Tuning> {
        self.predictor.tuning()
    }

    fn loss(&mut self) -> Result<f64, Box<dyn Error>> {
        Ok(self.y.iter().map(|&y| f64::from(y) * f64::from(y)).sum::<f64>() / self.y.len() as f64)
    }
}

/// The trainer of a model's own steps.
fn steps<M: Steps>(model: M, batch: usize, settings: Settings) -> Result<M::Trainer, TrainError> {
    let Settings { threads, precision, memory_limit, tune, .. } = settings;
    let trainer = model.trainer().batch(batch).threads(threads).precision(precision).memory_limit(memory_limit);
    match tune {
        Some(time) => trainer.tune(time).build(),
        None => trainer.build(),
    }
}

/// Generator and discriminator, trained in one step: the same real batch and the same noise again and again.
fn adversaries(case: &str, mode: Mode, settings: Settings, batch: usize) -> Result<Value, Box<dyn Error>> {
    let mut model = DcGan::init(0);
    initialise(&mut model);
    let [real, z] = [(0, [batch, 1, 32, 32]), (1, [batch, 64, 1, 1])].map(|(number, shape)| input(&shape, number));
    measure(case, mode, settings, || {
        let trainer = steps(model, batch, settings)?;
        Ok(Adversaries { trainer, real, z, losses: (0.0, 0.0) })
    })
}

struct Adversaries {
    trainer: DcGanTrainer,
    real: ArrayD<f32>,
    z: ArrayD<f32>,
    losses: (f32, f32),
}

impl Contender for Adversaries {
    fn step(&mut self) -> Result<(), Box<dyn Error>> {
        self.losses = self.trainer.both(&self.real, &self.z)?;
        Ok(())
    }

    fn profile(&mut self) -> Result<Option<Profile>, Box<dyn Error>> {
        Ok(Some(self.trainer.profile("both")?))
    }

    fn tuning(&self) -> Option<&Tuning> {
        self.trainer.tuning()
    }

    fn loss(&mut self) -> Result<f64, Box<dyn Error>> {
        Ok(self.losses.0.into())
    }

    fn generator_loss(&mut self) -> Option<f64> {
        Some(self.losses.1.into())
    }
}

/// A model of characters, trained on the same texts again and again.
fn characters(case: &str, mode: Mode, settings: Settings, batch: usize) -> Result<Value, Box<dyn Error>> {
    if mode == Mode::Infer {
        let mut model = Gpt::init(0);
        initialise(&mut model);
        return inference(case, settings, model, tokens(&[1, 128], 0, 65));
    }
    let mut model = Characters::init(0);
    initialise(&mut model);
    let [x, y] = [0, 1].map(|shift| tokens(&[batch, 128], shift, 65));
    measure(case, mode, settings, || {
        let trainer = steps(model, batch, settings)?;
        Ok(Texts { trainer, x, y, loss: 0.0 })
    })
}

struct Texts {
    trainer: CharactersTrainer,
    x: ArrayD<i32>,
    y: ArrayD<i32>,
    loss: f32,
}

impl Contender for Texts {
    fn step(&mut self) -> Result<(), Box<dyn Error>> {
        self.loss = self.trainer.fit(&self.x, &self.y)?;
        Ok(())
    }

    fn profile(&mut self) -> Result<Option<Profile>, Box<dyn Error>> {
        Ok(Some(self.trainer.profile("fit")?))
    }

    fn tuning(&self) -> Option<&Tuning> {
        self.trainer.tuning()
    }

    fn loss(&mut self) -> Result<f64, Box<dyn Error>> {
        Ok(self.loss.into())
    }
}

fn update(case: &str, mode: Mode, settings: Settings, adam: Adam, count: usize) -> Result<Value, Box<dyn Error>> {
    let [parameter, gradient] = [1, 1000].map(|salt| Array1::from_iter(uniform(count, salt)));
    measure(case, mode, settings, || Update::build(adam, parameter, gradient, settings))
}

/// The optimizer alone: [`update_graph`].
struct Update {
    session: Session,
    states: States,
    gradient: Array1<f32>,
}

impl Update {
    fn build(
        adam: Adam,
        parameter: Array1<f32>,
        gradient: Array1<f32>,
        settings: Settings,
    ) -> Result<Update, Box<dyn Error>> {
        let shape = Shape::new(&[parameter.len()]);
        let graph = update_graph(&adam, parameter.len())?;
        let program = Program::compile(&optimize(&graph), &CompileOptions::default())?;

        let mut states = States::new();
        let session = Session::new(Arc::new(program), &mut states, Arc::new(Pool::new(settings.threads)))?;
        for (name, shape, value) in adam.initial_state(&[("parameter".to_string(), shape)]) {
            states.write(&name, ArrayD::from_elem(shape.dims(), value).view())?;
        }
        states.write("parameter", parameter.view().into_dyn())?;
        states.write("gradient", gradient.view().into_dyn())?;
        Ok(Update { session, states, gradient })
    }
}

impl Contender for Update {
    const LOSS_COMES_FIRST: bool = true;

    fn step(&mut self) -> Result<(), Box<dyn Error>> {
        Ok(self.session.run(&mut self.states)?)
    }

    /// The mean of gradient times parameter.
    fn loss(&mut self) -> Result<f64, Box<dyn Error>> {
        let parameter = self.states.read("parameter").ok_or("there is no parameter")?;
        let products = parameter.iter().zip(&self.gradient).map(|(&p, &g)| f64::from(p) * f64::from(g));
        Ok(products.sum::<f64>() / self.gradient.len() as f64)
    }
}
