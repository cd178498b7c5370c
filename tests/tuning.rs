//! `.tune`: what is measured once is chosen for good, and nothing else changes. Each test runs in a process of its own, since
//! the folder of the choices is that of the environment.

#[path = "common/folder.rs"]
mod folder;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use kiln::prelude::*;
use kiln::report::Tuning;
use kiln::{TrainerBuilder, TuningError};
use ndarray::{Array1, Array2, Array4};

use folder::Folder;

/// More than any machine takes; measuring ends when it is done.
const AMPLE: Duration = Duration::from_secs(600);

/// Set in the process of one test: the folder of its choices.
const FOLDER: &str = "KILN_CACHE";
const CHILD: &str = "KILN_TEST_CHILD";

/// Runs the body in a process of its own whose choices lie in an empty folder, which need not be there.
fn alone(test: &str, body: fn(&Path)) {
    if std::env::var_os(CHILD).is_some_and(|child| child == test) {
        return body(Path::new(&std::env::var_os(FOLDER).expect("a folder")));
    }
    let root = Folder::new(test);
    let folder = root.path("choices");
    let program = std::env::current_exe().expect("this program");
    let child =
        Command::new(program).args([test, "--exact", "--nocapture"]).env(CHILD, test).env(FOLDER, &folder).output();
    let child = child.expect("a process");
    let text = String::from_utf8_lossy(&child.stdout);
    assert!(child.status.success(), "{text}{}", String::from_utf8_lossy(&child.stderr));
    assert!(text.contains("1 passed"), "{text}");
}

#[derive(Model, Clone)]
#[model(input = [4, 12, 12])]
struct Small {
    #[model(padding = 1)]
    conv1: Conv2d<4, 16, 3>,
    norm: BatchNorm2d<16>,
    relu1: ReLU,
    #[model(stride = 2, padding = 1)]
    conv2: Conv2d<16, 24, 3>,
    relu2: ReLU,
    flatten: Flatten,
    fc: Linear<864, 10>,
}

fn builder() -> TrainerBuilder<Small, CrossEntropy, Adam> {
    Trainer::new(Small::init(3), cross_entropy(), Adam::default()).batch(8).threads(1)
}

fn batch(rows: usize) -> (Array4<f32>, Array1<i32>) {
    let x = Array4::from_shape_fn((rows, 4, 12, 12), |(n, c, y, x)| ((n * 7 + c * 5 + y * 3 + x) as f32).sin());
    (x, Array1::from_shape_fn(rows, |n| (n % 10) as i32))
}

type SmallTrainer = Trainer<Small, CrossEntropy, Adam>;

/// The losses of some steps.
fn losses(trainer: &mut SmallTrainer) -> Vec<f32> {
    let (x, y) = batch(8);
    (0..4).map(|_| trainer.step(&x, &y).unwrap()).collect()
}

/// Whether contractions are computed in the same way.
fn have_the_same_recipes(a: &SmallTrainer, b: &SmallTrainer) -> bool {
    let (a, b) = (&a.plan().contractions, &b.plan().contractions);
    a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.problem == b.problem && a.recipe == b.recipe)
}

fn bits(trainer: &mut SmallTrainer) -> Vec<u32> {
    let mut all: Vec<u32> = Vec::new();
    trainer.model().each_parameter(&mut |_, parameter| all.extend(parameter.value.iter().map(|value| value.to_bits())));
    all
}

fn tuning(trainer: &SmallTrainer) -> &Tuning {
    trainer.tuning().expect("a tuned trainer")
}

/// The files in a folder, but for the one that whoever writes holds.
fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().map(|entry| entry.unwrap().path());
    entries.filter(|path| path.extension().is_none_or(|extension| extension != "lock")).collect()
}

#[test]
fn the_second_build_measures_nothing_and_gives_the_same_bits() {
    alone("the_second_build_measures_nothing_and_gives_the_same_bits", |folder| {
        let mut untuned = builder().build().unwrap();
        assert!(untuned.tuning().is_none());
        let mut first = builder().tune(AMPLE).build().unwrap();
        // Parameters and states are what they would be without.
        assert_eq!(bits(&mut first), bits(&mut untuned));
        let report = tuning(&first);
        assert!(report.spent > Duration::ZERO && report.spent < AMPLE && report.rebuilt.is_none(), "{report}");
        assert_eq!(files(folder), std::slice::from_ref(&report.cache));
        let program = &report.programs[0];
        assert_eq!((report.programs.len(), program.missing), (1, 0), "{report}");
        assert_eq!(report.measured(), program.rows.len());
        assert!(program.rows.len() >= 5 && program.rows.iter().all(|row| row.uses == 1), "{report}");
        let [before, chosen] = program.seconds();
        assert!(chosen > 0.0 && chosen <= before, "{report}");
        let different: Vec<_> = program.rows.iter().filter(|row| row.differs()).collect();
        assert_eq!(first.plan().to_string().matches("chosen by measuring").count(), different.len());
        let expected = losses(&mut first);

        for (time, threads) in [(AMPLE, 1), (Duration::ZERO, 2)] {
            let mut again = builder().threads(threads).tune(time).build().unwrap();
            let report = tuning(&again);
            assert_eq!((report.spent, report.measured()), (Duration::ZERO, 0), "{report}");
            assert_eq!(report.programs[0].rows.len(), tuning(&first).programs[0].rows.len());
            assert_eq!(again.plan().to_string(), first.plan().to_string());
            assert!(again.plan().kernels == first.plan().kernels);
            // What kernels compute went when there was code: it follows from the graph and the recipes.
            assert!(have_the_same_recipes(&again, &first), "{}", again.plan());
            assert_eq!(losses(&mut again), expected);
            assert_eq!(bits(&mut again), bits(&mut first));
        }

        let usual = losses(&mut untuned);
        let close = |(a, b): (&f32, &f32)| (a - b).abs() <= 1e-3 * a.abs();
        assert!(usual.iter().zip(&expected).all(close), "{usual:?} {expected:?}");
    });
}

#[test]
fn no_time_measures_nothing_and_writes_nothing() {
    alone("no_time_measures_nothing_and_writes_nothing", |folder| {
        let mut untuned = builder().build().unwrap();
        let mut trainer = builder().tune(Duration::ZERO).build().unwrap();
        let report = tuning(&trainer);
        let program = &report.programs[0];
        assert!(program.rows.is_empty() && program.missing >= 5, "{report}");
        assert!(!folder.exists());
        assert_eq!(trainer.plan().to_string(), untuned.plan().to_string());
        assert_eq!(losses(&mut trainer), losses(&mut untuned));
    });
}

#[test]
fn a_damaged_file_is_made_anew() {
    alone("a_damaged_file_is_made_anew", |_| {
        let first = builder().tune(AMPLE).build().unwrap();
        let file = tuning(&first).cache.clone();
        let whole = fs::read_to_string(&file).unwrap();
        let version = env!("CARGO_PKG_VERSION");
        let damaged = [
            (String::new(), "EOF"),
            (whole[..whole.len() / 2].to_owned(), "EOF"),
            ("[]".to_owned(), "`kiln` is null"),
            (whole.replace(version, "0.0.0"), "`kiln` is \"0.0.0\", expected"),
            (whole.replace("\"machine\"", "\"mechanism\""), "`machine` is null, expected"),
            (whole.replace("contractions", "contraptions"), "it has no `contractions`"),
            (whole.replacen("\"recipe\"", "\"receipt\"", 1), "is not complete"),
        ];
        for (text, reason) in damaged {
            fs::write(&file, &text).unwrap();
            // Nothing is written where nothing is measured.
            let trainer = builder().tune(Duration::ZERO).build().unwrap();
            let report = tuning(&trainer);
            let found = report.rebuilt.clone().unwrap_or_default();
            assert!(found.contains(reason), "{found:?} for {text:?}");
            assert!(report.to_string().contains(&found), "{report}");
            assert_eq!(fs::read_to_string(&file).unwrap(), text);
        }
        // Bytes that are no text.
        fs::write(&file, [0xff, 0xfe, 0x00]).unwrap();
        let trainer = builder().tune(AMPLE).build().unwrap();
        let report = tuning(&trainer);
        assert!(report.rebuilt.is_some() && report.measured() == tuning(&first).measured(), "{report}");
        let again = builder().tune(AMPLE).build().unwrap();
        assert!(tuning(&again).rebuilt.is_none() && tuning(&again).spent.is_zero(), "{}", tuning(&again));
        assert_eq!(again.plan().to_string(), trainer.plan().to_string());
    });
}

#[test]
fn choices_that_name_no_way_are_measured_again() {
    alone("choices_that_name_no_way_are_measured_again", |_| {
        let first = builder().tune(AMPLE).build().unwrap();
        let file = tuning(&first).cache.clone();
        let whole = fs::read_to_string(&file).unwrap();
        // Names end in a number in hexadecimal.
        fs::write(&file, whole.replace(" #", " #x")).unwrap();
        let second = builder().tune(AMPLE).build().unwrap();
        assert_eq!(tuning(&second).measured(), tuning(&first).measured(), "{}", tuning(&second));
        assert!(!fs::read_to_string(&file).unwrap().contains(" #x"));
    });
}

#[test]
fn a_folder_that_can_not_be_written_is_an_error() {
    alone("a_folder_that_can_not_be_written_is_an_error", |folder| {
        // A file can not be made within a file.
        fs::create_dir_all(folder.parent().unwrap()).unwrap();
        fs::write(folder, "").unwrap();
        let error = |time: Duration| match builder().tune(time).build() {
            Err(error) => error,
            Ok(trainer) => panic!("{}", tuning(&trainer)),
        };
        let text = error(AMPLE).to_string();
        assert!(matches!(error(AMPLE), TrainError::Tuning(TuningError::Read { .. })), "{text}");
        assert!(text.contains("KILN_CACHE") && text.contains(&folder.display().to_string()), "{text}");
        assert!(matches!(error(Duration::ZERO), TrainError::Tuning(TuningError::Read { .. })));
        fs::remove_file(folder).unwrap();

        // Where the lock stands, a folder does.
        let first = builder().tune(AMPLE).build().unwrap();
        let file = tuning(&first).cache.clone();
        fs::remove_file(file.with_extension("lock")).unwrap();
        fs::create_dir(file.with_extension("lock")).unwrap();
        // Nothing has to be written.
        assert!(builder().tune(AMPLE).build().is_ok());
        fs::remove_file(&file).unwrap();
        let text = error(AMPLE).to_string();
        assert!(matches!(error(AMPLE), TrainError::Tuning(TuningError::Write { .. })), "{text}");
        assert!(text.contains("KILN_CACHE") && text.contains(&file.display().to_string()), "{text}");
        assert!(builder().tune(Duration::ZERO).build().is_ok());
    });
}

#[test]
fn later_programs_use_and_extend_the_choices() {
    alone("later_programs_use_and_extend_the_choices", |_| {
        let (x, y) = batch(8);
        let mut trainer = builder().tune(AMPLE).build().unwrap();
        let mut chosen = tuning(&trainer).measured();
        trainer.step(&x.slice(ndarray::s![..3, .., .., ..]), &y.slice(ndarray::s![..3])).unwrap();
        trainer.evaluate(&x, &y).unwrap();
        trainer.predict(&x).unwrap();
        let report = tuning(&trainer);
        let programs: Vec<(&str, usize)> =
            report.programs.iter().map(|program| (program.name.as_str(), program.sizes.batch())).collect();
        assert_eq!(programs, [("train", 8), ("train", 3), ("evaluate", 8), ("predict", 8)]);
        assert!(report.programs.iter().all(|program| program.missing == 0), "{report}");
        assert!(report.measured() > chosen, "{report}");
        chosen = report.measured();

        // A process that knows them all.
        let mut again = builder().tune(AMPLE).build().unwrap();
        again.step(&x.slice(ndarray::s![..3, .., .., ..]), &y.slice(ndarray::s![..3])).unwrap();
        again.evaluate(&x, &y).unwrap();
        again.predict(&x).unwrap();
        assert_eq!((tuning(&again).measured(), tuning(&again).spent), (0, Duration::ZERO));
        let predictor = Predictor::new(Small::init(3)).batch(8).threads(1).tune(Duration::ZERO).build().unwrap();
        let report = predictor.tuning().expect("a tuned predictor");
        assert_eq!((report.programs[0].missing, report.measured()), (0, 0), "{report}");
        assert!(chosen > report.programs[0].rows.len() && report.programs[0].rows.len() > 1, "{report}");
        assert!(Predictor::new(Small::init(3)).build().unwrap().tuning().is_none());
    });
}

model! {
    struct Two {
        body: Sequential { first: Linear(32, 64), act: ReLU, second: Linear(64, 16) },
        opt: Sgd(body, lr = 0.1),
    }

    step fit(x: [N, 32], y: [N, 16]) -> loss {
        let loss = mse(body(x), y);
        opt.minimize(loss);
    }

    eval apply(x: [N, 32]) -> y {
        let y = body(x);
    }
}

#[test]
fn every_step_of_a_model_is_tuned() {
    alone("every_step_of_a_model_is_tuned", |_| {
        let x = Array2::from_shape_fn((16, 32), |(i, j)| ((i * 3 + j) as f32).cos());
        let y = Array2::from_shape_fn((16, 16), |(i, j)| ((i + 2 * j) as f32).sin());
        let mut first = Two::init(5).trainer().batch(16).threads(1).tune(AMPLE).build().unwrap();
        let report = first.tuning().expect("a tuned trainer");
        let names: Vec<&str> = report.programs.iter().map(|program| program.name.as_str()).collect();
        assert_eq!(names, ["fit", "apply"]);
        assert!(report.measured() > 0 && report.programs.iter().all(|program| program.missing == 0), "{report}");
        let table = report.to_string();
        assert!(
            table.starts_with("tuning: ") && table.contains("\nfit, 16 samples: ") && table.contains("dot [16, 32]"),
            "{table}"
        );
        let mut second = Two::init(5).trainer().batch(16).threads(2).tune(AMPLE).build().unwrap();
        assert_eq!(second.tuning().map(|report| (report.measured(), report.spent)), Some((0, Duration::ZERO)));
        let mut untuned = Two::init(5).trainer().batch(16).build().unwrap();
        assert!(untuned.tuning().is_none());
        for _ in 0..3 {
            let loss = first.fit(&x, &y).unwrap();
            assert_eq!(loss, second.fit(&x, &y).unwrap());
            assert!((loss - untuned.fit(&x, &y).unwrap()).abs() < 1e-5);
        }
        assert_eq!(first.apply(&x).unwrap(), second.apply(&x).unwrap());
    });
}

#[derive(Model, Clone)]
#[model(input = [32, 16, 16])]
struct Windows {
    #[model(padding = 1)]
    conv: Conv2d<32, 32, 3>,
}

/// Choices that were measured without `.exact()` say nothing about a build with it, in which no measurement leads to Winograd's
/// transforms.
#[test]
fn exact_builds_have_choices_of_their_own() {
    alone("exact_builds_have_choices_of_their_own", |_| {
        let builder = || Predictor::new(Windows::init(3)).batch(2).threads(1);
        let ways = |predictor: &Predictor<Windows>| -> Vec<String> {
            predictor.plan().contractions.iter().map(|found| found.recipe.name()).collect()
        };
        let is_fast = |ways: &[String]| ways.iter().any(|way| way.contains("winograd"));
        let fast = builder().tune(AMPLE).build().unwrap();
        assert_eq!(fast.tuning().unwrap().measured(), 1);
        for (time, measured) in [(Duration::ZERO, 0), (AMPLE, 1), (AMPLE, 0)] {
            let exact = builder().exact().tune(time).build().unwrap();
            assert_eq!(exact.tuning().unwrap().measured(), measured, "{}", exact.tuning().unwrap());
            assert!(!is_fast(&ways(&exact)), "{:?}", ways(&exact));
        }
        let again = builder().tune(AMPLE).build().unwrap();
        assert_eq!((again.tuning().unwrap().measured(), ways(&again)), (0, ways(&fast)));
    });
}
