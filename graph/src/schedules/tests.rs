//! Schedules against PyTorch's figures, beside those of `tests/golden`. No optimizer runs.

use super::*;

fn check(schedule: &dyn Schedule, steps: impl IntoIterator<Item = u64>, expected: &[f64]) {
    assert_eq!(schedule.check(), Ok(()), "{schedule:?}");
    let found: Vec<f64> = steps.into_iter().map(|step| schedule.rate(step, 0.1)).collect();
    assert_eq!(found.len(), expected.len());
    for (found, expected) in found.iter().zip(expected) {
        assert!((found - expected).abs() <= 1e-9, "{schedule:?}: {found} for {expected}");
    }
}

#[test]
fn rates_are_pytorchs() {
    let halves = LambdaLR::new(|step| 0.5_f64.powf(step as f64));
    check(&halves, 0..3, &[0.1, 0.05, 0.025]);
    check(&halves.clone().every(2), 0..5, &[0.1, 0.1, 0.05, 0.05, 0.025]);
    // Asked for in any order, of any rate.
    let products = MultiplicativeLR::new(|step| if step % 2 == 0 { 0.5 } else { 0.8 });
    check(&products, [0, 1, 2, 3, 4, 2, 0, 4], &[0.1, 0.08, 0.04, 0.032, 0.016, 0.04, 0.1, 0.016]);
    assert_eq!(
        (products.rate(1, 0.2), products.rate(2, 0.1), products.rate(0, 0.2)),
        (0.2 * 0.8, 0.1 * 0.8 * 0.5, 0.2)
    );
    // Each factor is asked for once, also where another schedule changes the rate in each step.
    let asked = std::sync::Arc::new(std::sync::atomic::AtomicU64::new(0));
    let counted = asked.clone();
    let products = MultiplicativeLR::new(move |_| {
        counted.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        0.99
    });
    let both = ChainedScheduler::new(ExponentialLR::new(0.9)).and(products);
    (0..100).for_each(|step| _ = both.rate(step, 0.1));
    assert_eq!(asked.load(std::sync::atomic::Ordering::Relaxed), 99);
    check(&ConstantLR::default(), [0, 4, 5], &[0.1 / 3.0, 0.1 / 3.0, 0.1]);
    // Warm-up, a cosine, then a constant rest, each from its own first step.
    let three = SequentialLR::new(LinearLR::new(4).start_factor(0.2)).then(4, CosineAnnealingLR::new(4));
    let three = three.then(8, ConstantLR::new(100).factor(0.01));
    check(&three, 0..10, &[0.02, 0.04, 0.06, 0.08, 0.1, 0.085355339059, 0.05, 0.014644660941, 0.001, 0.001]);
    // Factors multiply.
    let both = ChainedScheduler::new(ConstantLR::new(2).factor(0.5)).and(ExponentialLR::new(0.9));
    check(&both, 0..4, &[0.05, 0.045, 0.081, 0.0729]);
    let triangles = CyclicLR::new(0.01, 0.05).step_size_up(4);
    check(&triangles, 0..10, &[0.01, 0.02, 0.03, 0.04, 0.05, 0.04, 0.03, 0.02, 0.01, 0.02]);
    let lopsided = CyclicLR::new(0.0, 0.1).step_size_up(1).step_size_down(2).mode(CyclicMode::Triangular2);
    check(&lopsided, 0..7, &[0.0, 0.1, 0.05, 0.0, 0.05, 0.025, 0.0]);
    let fading = CyclicLR::new(0.0, 0.1).step_size_up(2).mode(CyclicMode::ExpRange { gamma: 0.5 });
    check(&fading, 0..5, &[0.0, 0.025, 0.025, 0.00625, 0.0]);
}

#[test]
fn momenta_go_against_the_rates() {
    let triangles = CyclicLR::new(0.01, 0.05).step_size_up(2);
    for (step, expected) in [0.9, 0.85, 0.8, 0.85, 0.9].into_iter().enumerate() {
        assert!((triangles.momentum(step as u64).unwrap() - expected).abs() < 1e-12);
    }
    assert_eq!(triangles.cycle_momentum(false).momentum(0), None);
    assert_eq!(OneCycleLR::new(0.1, 10).every(3).momentum(0), Some(0.95));
    assert_eq!(StepLR::new(3).momentum(0), None);
}

#[test]
fn what_is_out_of_range_is_refused() {
    fn check(schedule: &dyn Schedule, expected: &str) {
        let found = schedule.check().map_err(|error| error.to_string());
        assert_eq!(found, Err(expected.to_owned()));
    }
    check(&ConstantLR::new(3).factor(1.5), "ConstantLR: factor = 1.5, but must be at least 0 and at most 1");
    check(&LinearLR::new(3).start_factor(0.0), "LinearLR: start_factor = 0, but must be above 0 and at most 1");
    check(&LinearLR::new(0), "LinearLR: total_iters = 0, but must be at least 1");
    check(&ExponentialLR::new(-0.5), "ExponentialLR: gamma = -0.5, but must be a finite number of at least 0");
    check(&StepLR::new(0), "StepLR: step_size = 0, but must be at least 1");
    check(&PolynomialLR::new(0), "PolynomialLR: total_iters = 0, but must be at least 1");
    check(&CosineAnnealingLR::new(0), "CosineAnnealingLR: T_max = 0, but must be at least 1");
    check(
        &CosineAnnealingWarmRestarts::new(4).t_mult(0),
        "CosineAnnealingWarmRestarts: T_mult = 0, but must be at least 1",
    );
    check(&OneCycleLR::new(0.1, 0), "OneCycleLR: total_steps = 0, but must be at least 1");
    check(&OneCycleLR::new(0.1, 9).pct_start(2.0), "OneCycleLR: pct_start = 2, but must be at least 0 and at most 1");
    check(&CyclicLR::new(0.1, 0.2).step_size_down(0), "CyclicLR: step_size_down = 0, but must be at least 1");
    check(&CyclicLR::new(0.1, 0.2).max_momentum(1.0), "CyclicLR: max_momentum = 1, but must be at least 0 and below 1");
    check(&ReduceLROnPlateau::new().factor(1.0), "ReduceLROnPlateau: factor = 1, but must be at least 0 and below 1");
    check(&StepLR::new(1).every(0), "every: steps = 0, but must be at least 1");
    let sequence = SequentialLR::new(StepLR::new(1)).then(5, StepLR::new(1));
    check(&sequence.clone().then(5, StepLR::new(1)), "SequentialLR: milestone = 5, but must be above the one before");
    let rule = "SequentialLR: schedule = 2, but must";
    check(&sequence.clone().then(9, ReduceLROnPlateau::new()), &format!("{rule} not be a ReduceLROnPlateau"));
    check(
        &sequence.then(9, OneCycleLR::new(0.1, 9)),
        &format!("{rule} change the momentum if the first schedule does, and leave it otherwise"),
    );
    let chain = ChainedScheduler::new(ReduceLROnPlateau::new()).and(ReduceLROnPlateau::new());
    check(&chain, "ChainedScheduler: schedules by a metric = 2, but may be one at most");
}

/// A scheduler that is written down and read again goes on as before.
#[test]
fn schedulers_are_saved_and_restored() {
    let schedule =
        || ChainedScheduler::new(ExponentialLR::new(0.9)).and(ReduceLROnPlateau::new().patience(1).cooldown(2));
    let metrics = [1.0, 0.5, 0.6, 0.7, 0.7, 0.9, 0.8, 0.4, 0.6, 0.6, 0.6, 0.6, 0.6];
    let rates = |scheduler: &mut Scheduler, metrics: &[f64]| -> Vec<[f64; 2]> {
        let advance = |&metric: &f64| {
            scheduler.step();
            assert!(scheduler.report_metric(metric));
            [scheduler.rate(0), scheduler.rate(1)]
        };
        metrics.iter().map(advance).collect()
    };
    for split in 0..metrics.len() {
        let mut whole = Scheduler::new(Some(schedule()), &[0.1, 0.02]);
        let expected = rates(&mut whole, &metrics);
        let mut first = Scheduler::new(Some(schedule()), &[0.1, 0.02]);
        let mut found = rates(&mut first, &metrics[..split]);
        let mut second = Scheduler::new(Some(schedule()), &[7.0, 7.0]);
        assert!(second.set_state(&first.state()));
        found.extend(rates(&mut second, &metrics[split..]));
        assert_eq!(found, expected, "{split}");
        assert!(!second.set_state(&[0.0; 6]));
    }
}
