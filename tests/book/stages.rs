//! What the compiler makes of one small network, stage by stage, as the book shows it (`docs/src/stages`): for a machine of a
//! usual kind, so that the texts are the same everywhere.

use std::{env, fs};

use kiln::compiled::train_graph;
use kiln::graph::{optimize, parse};
use kiln::prelude::*;

use super::compiler;
use super::evening::{Net, is_as};
use super::folder::Folder;
use super::root;

// ANCHOR: model
model! {
    struct Small {
        fc: Linear(4, 8),
    }

    fn forward(x: [N, 4]) -> [N, 8] {
        fc(x).relu()
    }
}
// ANCHOR_END: model

/// The samples of a batch.
const BATCH: usize = 16;

#[test]
fn the_stages_are_those_that_the_book_shows() {
    let graph = train_graph(&Small::init(0), &mse(), &Sgd::new(0.1), BATCH, 0).unwrap();
    let text = graph.to_string();
    assert_eq!(parse(&text).unwrap().to_string(), text);
    let folder = Folder::new("stages");
    let file = folder.file("small.ir", text.as_bytes()).display().to_string();
    let kilnc = |stage: &str| {
        let arguments = ["--emit", stage, "--target", "avx2"].map(str::to_owned);
        compiler::run([file.clone()].into_iter().chain(arguments)).unwrap()
    };
    let part = |text: String, begin: &str| {
        let parts = text.split_inclusive('\n').collect::<Vec<_>>();
        let first = parts.iter().position(|line| line.starts_with(begin)).unwrap();
        let rest = parts[first + 1..].iter().take_while(|line| !line.starts_with("kernel "));
        [parts[first]].into_iter().chain(rest.copied()).collect::<String>().trim_end().to_owned() + "\n"
    };
    let stages = [
        ("graph", text),
        ("passes", optimize(&graph).to_string()),
        ("plan", kilnc("plan")),
        ("kernel-loss", part(kilnc("kernels"), "kernel mul_sum_mul ")),
        ("kernel-update", part(kilnc("kernels"), "kernel mul_sub ")),
        ("assembly-loss", part(kilnc("asm"), "kernel 2, mul_sum_mul,")),
        ("assembly-update", part(kilnc("asm"), "kernel 4, mul_sub,")),
    ];
    for (name, found) in stages {
        let file = root().join("docs/src/stages").join(name).with_extension("txt");
        if env::var_os("BLESS").is_some_and(|value| value == "1") {
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(&file, &found).unwrap();
        }
        let expected = fs::read_to_string(&file).unwrap_or_default().replace("\r\n", "\n");
        assert!(found == expected, "{} is not what is printed; BLESS=1 renews it:\n{found}", file.display());
    }
}

#[test]
fn the_summary_is_as_the_book_shows_it() {
    let mut trainer = Trainer::new(Net::init(42), cross_entropy(), Adam::default()).batch(32).build().unwrap();
    let found = trainer.summary().unwrap().to_string() + "\n";
    let file = root().join("docs/src/stages/summary.txt");
    let expected = fs::read_to_string(&file).unwrap_or_default();
    if env::var_os("BLESS").is_some_and(|value| value == "1") && !is_as(&expected, &found) {
        fs::write(&file, &found).unwrap();
    } else {
        assert!(is_as(&expected, &found), "{} is not what is printed; BLESS=1 renews it:\n{found}", file.display());
    }
}
