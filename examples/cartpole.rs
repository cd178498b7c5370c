//! Learns to balance a pole on a cart: `cargo run --release --example cartpole`, with `-- --seed 7` by another way.
//!
//! The cart is Gymnasium's `CartPole-v1` (Barto, Sutton and Anderson, "Neuronlike Adaptive Elements That Can Solve Difficult
//! Learning Control Problems"): each step it is pushed to the left or to the right, and an episode ends where the pole has
//! fallen, where the cart has left the track, or after 500 steps. It is solved by a mean of 475 steps in 100 episodes.
//!
//! The agent is a double DQN (van Hasselt et al., "Deep Reinforcement Learning with Double Q-learning"): a network tells what
//! each push is worth, learns from steps that it remembers, and is judged by a slower copy of itself. What happens to both in a
//! step of training is one program, a `step` of `model!`.

use std::collections::VecDeque;
use std::env;
use std::error::Error;
use std::time::Instant;

use kiln::prelude::*;
use kiln::random::uniform;
use ndarray::{Array1, Array2, Axis};

/// What a cart is in: its place, its speed, the pole's angle and its speed.
type State = [f32; 4];

/// The steps after which an episode ends.
const LONGEST: usize = 500;
/// The mean over [`EPISODES`] that counts as solved.
const SOLVED: f32 = 475.0;
const EPISODES: usize = 100;
/// How much of the next step's worth counts in a step's own.
const DISCOUNT: f64 = 0.99;
/// The samples of a step of training.
const BATCH: usize = 128;
/// The steps that the agent remembers, and those before it begins to learn.
const REMEMBERED: usize = 50_000;
const FIRST: usize = 1_000;
/// The steps within which it ceases to try pushes at random, but for a few.
const EXPLORING: usize = 10_000;
const FEWEST: f32 = 0.02;
/// The steps of training between two looks at what it can do, and all of them.
const LOOK: usize = 2_500;
const STEPS: usize = 100_000;
const RATE: f32 = 1e-3;

// ANCHOR: model
model! {
    #[model(input = [4])]
    /// What a push to the left and one to the right are worth.
    pub struct Worth(Linear(4, 128), ReLU, Linear(128, 128), ReLU, Linear(128, 2));
}
// ANCHOR_END: model

// ANCHOR: steps
model! {
    /// The network, its slower copy and how it is trained.
    pub struct Agent {
        online: Worth,
        target: Worth,
        opt: Adam(online, lr = 1e-3, clip_grad_norm = 10.0),
    }

    step start() {
        target.copy_from(online);
    }

    // The online network chooses the next push, the target says what it is worth.
    step learn(state: [N, 4], push: [N; i32], reward: [N], next: [N, 4], goes_on: [N]) -> loss {
        let worth = online(state).gather(1, push.unsqueeze(1)).squeeze(1);
        let best = online(next).argmax(1).unsqueeze(1);
        let later = target(next).gather(1, best).squeeze(1);
        let loss = smooth_l1(worth, (reward + later * goes_on * DISCOUNT).detach());
        opt.minimize(loss);
        target.lerp_from(online, 0.005);
    }

    eval choose(state: [N, 4]) -> push {
        let push = online(state).argmax(1);
    }
}
// ANCHOR_END: steps

/// A cart with a pole on it.
struct Cart {
    state: State,
    steps: usize,
}

/// How a step has ended.
#[derive(Clone, Copy, PartialEq)]
enum Outcome {
    GoesOn,
    /// The pole has fallen, or the cart has left the track.
    Fell,
    /// The time is over: nothing went wrong.
    Ended,
}

const GRAVITY: f32 = 9.8;
/// The masses of the cart and of the pole, in kg.
const CART: f32 = 1.0;
const POLE: f32 = 0.1;
/// Half the pole, in m.
const HALF_LENGTH: f32 = 0.5;
/// A push, in N,
const FORCE: f32 = 10.0;
/// and how long it takes, in s.
const TIME: f32 = 0.02;

impl Cart {
    /// Nearly upright, nearly at rest.
    fn new(random: &mut Random) -> Cart {
        Cart { state: std::array::from_fn(|_| random.uniform() * 0.1 - 0.05), steps: 0 }
    }

    /// The equations of `CartPole-v1`, one step of Euler's method.
    fn push(&mut self, right: bool) -> Outcome {
        let [place, speed, angle, turning] = self.state;
        let force = if right { FORCE } else { -FORCE };
        let (sine, cosine) = angle.sin_cos();
        let mass = CART + POLE;
        let part = (force + POLE * HALF_LENGTH * turning * turning * sine) / mass;
        let turn = (GRAVITY * sine - cosine * part) / (HALF_LENGTH * (4.0 / 3.0 - POLE * cosine * cosine / mass));
        let acceleration = part - POLE * HALF_LENGTH * turn * cosine / mass;
        self.state = [place + TIME * speed, speed + TIME * acceleration, angle + TIME * turning, turning + TIME * turn];
        self.steps += 1;
        let [place, _, angle, _] = self.state;
        if place.abs() > 2.4 || angle.abs() > 12f32.to_radians() {
            Outcome::Fell
        } else if self.steps == LONGEST {
            Outcome::Ended
        } else {
            Outcome::GoesOn
        }
    }
}

/// Random numbers, one after the other.
struct Random {
    seed: u64,
    drawn: u32,
}

impl Random {
    /// From 0 to 1.
    fn uniform(&mut self) -> f32 {
        self.drawn += 1;
        uniform(self.seed, self.drawn, 0, 0)
    }

    fn below(&mut self, count: usize) -> usize {
        ((self.uniform() * count as f32) as usize).min(count - 1)
    }
}

/// One step that is remembered.
struct Step {
    state: State,
    right: bool,
    next: State,
    fell: bool,
}

fn main() -> Result<(), Box<dyn Error>> {
    let seed = seed()?;
    let random = &mut Random { seed, drawn: 0 };
    let start = Instant::now();
    let mut agent = Agent::init(seed).trainer().batch(BATCH).seed(seed).build()?;
    println!("compiled in {:.1} ms; seed {seed}", start.elapsed().as_secs_f64() * 1e3);
    agent.start()?;

    let start = Instant::now();
    let mut memory: VecDeque<Step> = VecDeque::new();
    let mut cart = Cart::new(random);
    let (mut lengths, mut losses) = (Vec::new(), Vec::new());
    for step in 1..=STEPS {
        let done = step as f32 / STEPS as f32;
        let curiosity = (1.0 - step as f32 / EXPLORING as f32).max(FEWEST);
        let right = if random.uniform() < curiosity {
            random.uniform() < 0.5
        } else {
            agent.choose(&Array2::from(vec![cart.state]))?[[0]] == 1
        };
        let state = cart.state;
        let outcome = cart.push(right);
        if memory.len() == REMEMBERED {
            memory.pop_front();
        }
        memory.push_back(Step { state, right, next: cart.state, fell: outcome == Outcome::Fell });
        if outcome != Outcome::GoesOn {
            lengths.push(cart.steps as f32);
            cart = Cart::new(random);
        }
        if memory.len() >= FIRST {
            agent.set_learning_rate("opt", RATE * (1.0 - done))?;
            losses.push(learn(&mut agent, &memory, random)?);
        }
        if step % LOOK == 0 {
            let last = &lengths[lengths.len().saturating_sub(10)..];
            let reached = play(&mut agent, random)?;
            println!(
                "step {step:6}  loss {:.4}  last episodes {:5.1} steps  {EPISODES} episodes without curiosity {reached:5.1} steps",
                mean(&losses),
                mean(last),
            );
            losses.clear();
            // Those that it was chosen by do not count.
            if reached >= SOLVED && play(&mut agent, random)? >= SOLVED {
                break;
            }
        }
    }
    let reached = play(&mut agent, random)?;
    let solved = if reached >= SOLVED { "solved" } else { "not solved" };
    println!("{} episodes in {:.1} s", lengths.len(), start.elapsed().as_secs_f64());
    println!(
        "{solved}: the mean of {EPISODES} episodes is {reached:.1} of {LONGEST} steps, where {SOLVED} are asked for"
    );
    Ok(())
}

/// `--seed 7`
fn seed() -> Result<u64, Box<dyn Error>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => Ok(1),
        ["--seed", seed] => Ok(seed.parse()?),
        _ => Err("usage: cartpole [--seed NUMBER]".into()),
    }
}

// ANCHOR: learn
/// A step of training by some of what is remembered.
fn learn(agent: &mut AgentTrainer, memory: &VecDeque<Step>, random: &mut Random) -> Result<f32, TrainError> {
    let steps: Vec<&Step> = (0..BATCH).map(|_| &memory[random.below(memory.len())]).collect();
    let states = |state: fn(&Step) -> State| Array2::from(steps.iter().map(|step| state(step)).collect::<Vec<_>>());
    let pushes: Vec<i32> = steps.iter().map(|step| step.right.into()).collect();
    let goes_on: Array1<f32> = steps.iter().map(|step| if step.fell { 0.0 } else { 1.0 }).collect();
    agent.learn(&states(|step| step.state), &pushes, &Array1::ones(BATCH), &states(|step| step.next), &goes_on)
}
// ANCHOR_END: learn

/// The mean length of so many new episodes, without curiosity; they are played side by side.
fn play(agent: &mut AgentTrainer, random: &mut Random) -> Result<f32, TrainError> {
    let mut carts: Vec<(Cart, Outcome)> = (0..EPISODES).map(|_| (Cart::new(random), Outcome::GoesOn)).collect();
    while carts.iter().any(|(_, outcome)| *outcome == Outcome::GoesOn) {
        let states: Vec<State> = carts.iter().map(|(cart, _)| cart.state).collect();
        let pushes = agent.choose(&Array2::from(states))?;
        let going =
            carts.iter_mut().zip(pushes.axis_iter(Axis(0))).filter(|((_, outcome), _)| *outcome == Outcome::GoesOn);
        for ((cart, outcome), push) in going {
            *outcome = cart.push(push[[]] == 1);
        }
    }
    Ok(mean(&carts.iter().map(|(cart, _)| cart.steps as f32).collect::<Vec<_>>()))
}

fn mean(values: &[f32]) -> f32 {
    values.iter().sum::<f32>() / values.len().max(1) as f32
}
