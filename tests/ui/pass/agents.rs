//! Reinforcement learning as users write it: an actor with its critic, whose pushes are drawn from a categorical distribution,
//! and PPO's clipped loss.

use kiln::prelude::*;
use ndarray::{Array1, Array2};

/// How far a ratio may go from 1.
const CLIP: f64 = 0.2;

model! {
    struct Agent {
        body: Linear(4, 8),
        actor: Linear(8, 3),
        critic: Linear(8, 1),
        opt: Adam((body, actor, critic), lr = 0.01, clip_grad_norm = 0.5),
    }

    // The logits of the actions, and the worth of the state.
    fn forward(state: [N, 4]) -> ([N, 3], [N]) {
        let h = body(state).tanh();
        (actor(h), critic(h).squeeze(1))
    }

    fn log_probability(logits, action) {
        logits.log_softmax(1).gather(1, action.unsqueeze(1)).squeeze(1)
    }

    fn entropy(logits) {
        let log = logits.log_softmax(1);
        -(log.exp() * log).sum(1).mean()
    }

    // A categorical sample is the largest logit with Gumbel noise.
    eval act(state: [N, 4]) -> (action, log_p, worth) {
        let (logits, worth) = self(state);
        let action = (logits - (-(rand_like(logits).log())).log()).argmax(1);
        let log_p = log_probability(logits, action);
    }

    step actor_critic(state: [N, 4], action: [N; i32], returns: [N]) -> (loss, surprise) {
        let (logits, worth) = self(state);
        let advantage = (returns - worth).detach();
        let policy = -(log_probability(logits, action) * advantage).mean();
        let surprise = mse(worth, returns);
        let loss = policy + surprise * 0.5 - entropy(logits) * 0.01;
        opt.minimize(loss);
    }

    step ppo(state: [N, 4], action: [N; i32], old: [N], advantage: [N], returns: [N]) -> (policy, loss, clipped) {
        let (logits, worth) = self(state);
        let ratio = (log_probability(logits, action) - old).exp();
        let near = ratio.clamp(1.0 - CLIP, 1.0 + CLIP);
        let policy = -(ratio * advantage).minimum(near * advantage).mean();
        let clipped = where((ratio - 1.0).abs() > CLIP, ratio * 0.0 + 1.0, 0.0).mean();
        let loss = policy + mse(worth, returns) * 0.5 - entropy(logits) * 0.01;
        opt.minimize(loss);
    }
}

#[test]
fn it_runs() -> Result<(), TrainError> {
    const ROWS: usize = 64;
    let mut agent = Agent::init(1).trainer().batch(ROWS).threads(1).build()?;
    let state = Array2::from_shape_fn((ROWS, 4), |(i, j)| ((i * 5 + j * 3) as f32).sin());
    let (action, old, worth) = agent.act(&state)?;
    let counts = [0, 1, 2].map(|kind| action.iter().filter(|action| **action == kind).count());
    assert!(counts.iter().all(|count| *count > 5), "{counts:?}");
    assert!(old.iter().all(|log| *log < 0.0) && worth.len() == ROWS);
    let action: Vec<i32> = action.iter().copied().collect();
    let advantage = Array1::from_shape_fn(ROWS, |i| if action[i] == 1 { 1.0 } else { -0.5 });
    let returns = Array1::from_elem(ROWS, 1.0);

    // At first no ratio is other than 1; later the clipped ones stay where they are.
    let (first, ..) = agent.ppo(&state, &action, &old, &advantage, &returns)?;
    assert!((first + advantage.mean().unwrap()).abs() < 1e-5, "{first}");
    let mut last = (first, 0.0);
    for _ in 0..60 {
        let (policy, _, clipped) = agent.ppo(&state, &action, &old, &advantage, &returns)?;
        last = (policy, clipped);
    }
    assert!(last.0 < first - 0.05 && last.1 > 0.1, "{last:?}");

    let (_, first) = agent.actor_critic(&state, &action, &returns)?;
    let mut last = first;
    for _ in 0..20 {
        (_, last) = agent.actor_critic(&state, &action, &returns)?;
    }
    assert!(last < first, "{last} after {first}");
    Ok(())
}
