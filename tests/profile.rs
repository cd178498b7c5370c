//! Profiles: what they name, that their numbers agree with the plan, and that profiling leaves the model alone.

#[path = "common/folder.rs"]
mod folder;

use kiln::graph::Stage;
use kiln::prelude::*;
use kiln::report::Profile;
use ndarray::{Array1, Array4};

use folder::Folder;

#[derive(Model)]
#[model(input = [1, 8, 8])]
struct Small {
    #[model(padding = 1)]
    conv: Conv2d<1, 4, 3>, // at conv
    norm: BatchNorm2d<4>,
    act: ReLU,
    pool: MaxPool2d<2>,
    flatten: Flatten,
    fc: Linear<64, 3>,
}

fn trainer() -> Trainer<Small, CrossEntropy, Adam> {
    Trainer::new(Small::init(1), cross_entropy(), Adam::default()).batch(8).threads(2).build().unwrap()
}

fn check(profile: &Profile, flops: u64, calls: usize) {
    assert_eq!(profile.rows.len(), calls);
    assert_eq!(profile.rows.iter().map(|row| row.flops).sum::<u64>(), flops);
    assert!(profile.rows.iter().all(|row| row.seconds > 0.0 && row.limit > 0.0), "{profile}");
    assert!(profile.seconds > 0.0 && profile.runs > 1);
}

#[test]
fn a_training_step_is_timed_kernel_by_kernel() {
    let mut trainer = trainer();
    let profile = trainer.profile().unwrap();
    check(&profile, trainer.plan().flops(), trainer.plan().calls.len());
    assert_eq!(profile.threads, 2);
    for layer in ["conv", "norm", "pool", "fc"] {
        for stage in [Stage::Forward, Stage::Backward] {
            let found =
                profile.rows.iter().any(|row| row.stage >= stage && row.layers.iter().any(|name| name == layer));
            assert!(found, "{layer} {stage:?}: {profile}");
        }
    }
    assert!(profile.rows.iter().any(|row| row.operations.contains(&"conv_grad_weight")));
    let stages = [Stage::Forward, Stage::Backward, Stage::Update];
    let sum: f64 = stages.iter().map(|&stage| profile.stage_seconds(stage)).sum();
    assert!((sum - profile.rows.iter().map(|row| row.seconds).sum::<f64>()).abs() < 1e-9);

    // Each kernel of a layer names its line, also those of its gradients.
    let line = include_str!("profile.rs").lines().position(|line| line.ends_with("// at conv")).unwrap() + 1;
    let of_conv = profile.rows.iter().filter(|row| row.name.starts_with("conv:") && row.stage < Stage::Update);
    for row in of_conv.clone() {
        assert!(row.lines.iter().any(|at| (at.file, at.line as usize) == (file!(), line)), "{row:?}");
    }
    assert!(of_conv.count() > 1);
    let table = profile.to_string();
    assert!(table.contains(&format!("  at {}:{line}", file!())), "{table}");
    let shares = table.lines().skip(4).map(|line| line.trim().split('%').next().unwrap().parse::<f64>().unwrap());
    let shares: Vec<f64> = shares.collect();
    assert!((shares.iter().sum::<f64>() - 100.0).abs() < 0.1 * shares.len() as f64, "{table}");
    assert!(shares[..shares.len() - 1].is_sorted_by(|a, b| a >= b), "{table}");
    assert!(table.starts_with("train: ") && table.contains("on 2 threads\nmeasured limits: "), "{table}");
}

#[test]
fn a_profile_changes_nothing() {
    let (x, y) =
        (Array4::from_shape_fn((8, 1, 8, 8), |(n, _, y, x)| ((n + y * x) as f32).sin()), Array1::<i32>::ones(8));
    let losses = |profiles: bool| {
        let mut trainer = trainer();
        let mut losses = Vec::new();
        for _ in 0..4 {
            losses.push(trainer.step(&x, &y).unwrap().to_bits());
            if profiles {
                trainer.profile().unwrap();
            }
        }
        losses
    };
    assert_eq!(losses(true), losses(false));
}

#[test]
fn a_prediction_is_timed() {
    let predictor = Predictor::new(Small::init(1)).batch(4).threads(1).build().unwrap();
    let profile = predictor.profile().unwrap();
    let (calls, kept) = (predictor.plan().calls.len(), predictor.plan().prologue);
    check(&profile, predictor.plan().flops(), calls - kept);
    assert!(profile.rows.iter().all(|row| row.stage == Stage::Forward && !row.parallel));
    // The factors of the batch norm.
    assert!(kept > 0 && profile.prologue.len() == kept, "{profile}");
    assert!(profile.prologue.iter().all(|row| row.seconds > 0.0 && row.limit > 0.0), "{profile}");
    let last = profile.to_string().lines().last().unwrap().to_owned();
    assert!(
        last.starts_with("once parameters have changed: ") && last.contains(&format!(" for {kept} kernels")),
        "{last}"
    );
}

#[test]
fn a_trace_holds_every_call_one_after_the_other() {
    let profile = trainer().profile().unwrap();
    let folder = Folder::new("trace");
    let path = folder.path("trace.json");
    profile.save_trace(&path).unwrap();
    let trace: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
    let events = trace["traceEvents"].as_array().unwrap();
    let calls: Vec<_> = events.iter().filter(|event| event["ph"] == "X").collect();
    assert_eq!((events.len(), calls.len()), (profile.rows.len() + 2, profile.rows.len()));
    let mut end = 0.0;
    for (call, row) in calls.iter().zip(&profile.rows) {
        let [start, length] = ["ts", "dur"].map(|field| call[field].as_f64().unwrap());
        assert!((start - end).abs() < 1e-3, "{call}");
        end = start + length;
        assert_eq!(call["name"], row.name.as_str());
        assert_eq!(call["args"]["flops"], row.flops);
        let lines: Vec<String> = row.lines.iter().map(|line| line.to_string()).collect();
        assert_eq!(call["args"]["source"], serde_json::json!(lines));
    }
    // A file cannot be made within a file.
    std::fs::write(&path, "").unwrap();
    assert!(profile.save_trace(path.join("trace.json")).is_err());
}
