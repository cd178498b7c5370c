//! How far the planner's choices are from the best, without a clock: the recipes that it chooses for the suite's
//! contractions against what all candidates took on the machines of `jit/measurements/`.

use std::fs;
use std::path::Path;

use crate::contractions::contractions;
use crate::measurements::{Measurements, number};
use crate::planned::all;

/// What the choices for one machine may cost. The limits stand a little above what was found when they were written down
/// (beside them): a change of the cost model that makes choices worse fails, one that makes them better lowers them.
struct Limit {
    /// The file in `jit/measurements`.
    machine: &'static str,
    /// Part of the best recipes' time that the chosen ones take more, over all networks.
    whole: f64,
    /// The same of any single contraction.
    single: f64,
    /// Contractions whose chosen recipe was not measured.
    unmeasured: usize,
    /// Measured contractions that are none of the suite any more, such as those over other layouts.
    gone: usize,
}

const LIMITS: [Limit; 4] = [
    // 2026-11-29: 0.0170, 0.149, 9 and none, of 128. The nine are cut into more tasks, or along rows instead of strips, than
    // when they were measured, five of them of one image.
    Limit { machine: "amd-zen3-avx2.txt", whole: 0.018, single: 0.16, unmeasured: 9, gone: 4 },
    // 2026-12-01: 0.0188, 0.463, none and none, of 153. The worst is a convolution of one image of 128 channels, 24 us, for
    // which Emerald Rapids has the other order of the two ways.
    Limit { machine: "amd-zen5-avx512-bf16.txt", whole: 0.0195, single: 0.48, unmeasured: 0, gone: 0 },
    // 2026-12-01: 0.0119, 0.4, none and none, of 168. The same one.
    Limit { machine: "amd-zen5-avx512.txt", whole: 0.0125, single: 0.48, unmeasured: 0, gone: 0 },
    // 2026-12-01: 0.0149, 0.173, none and none, of 176.
    Limit { machine: "intel-emeraldrapids-avx512.txt", whole: 0.0155, single: 0.18, unmeasured: 0, gone: 0 },
];

/// A measured contraction whose chosen recipe was measured, too.
struct Chosen {
    /// Nanoseconds of the chosen and of the best recipe, and how many times they are used.
    chosen: f64,
    best: f64,
    uses: usize,
    /// The contraction, and both recipes.
    words: String,
}

impl Chosen {
    fn regret(&self) -> f64 {
        self.chosen / self.best - 1.0
    }

    /// What it adds to a run of all networks.
    fn lost(&self) -> f64 {
        (self.chosen - self.best) * self.uses as f64
    }
}

#[test]
fn choices_are_as_good_as_they_were() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("jit/measurements");
    let mut files: Vec<String> = fs::read_dir(&folder)
        .expect("a folder")
        .map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned())
        .collect();
    files.sort();
    assert_eq!(files, LIMITS.map(|limit| limit.machine), "each file has its limits");
    LIMITS.iter().for_each(|limit| check(limit, &folder.join(limit.machine)));
}

fn check(limit: &Limit, path: &Path) {
    let text = fs::read_to_string(path).expect("a file");
    let measured = Measurements::parse(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let contractions = contractions(&measured.target, measured.precision, all());
    let gone: Vec<&String> =
        measured.problems.keys().filter(|text| all() && !contractions.contains_key(*text)).collect();
    let (mut found, mut unmeasured) = (Vec::new(), Vec::new());
    for (text, contracted) in &contractions {
        // What is not in the file takes too little time to count.
        let Some(times) = measured.problems.get(text) else { continue };
        let name = contracted.recipe.name();
        let (best_name, best) = times.iter().min_by(|a, b| a.1.total_cmp(&b.1)).expect("a time");
        let words =
            |other: &str| format!("{}: {}, not {other}", contracted.problem.shapes(), contracted.recipe.words());
        match times.iter().find(|(other, _)| number(other) == number(&name)) {
            Some(&(_, chosen)) => {
                found.push(Chosen { chosen, best: *best, uses: contracted.uses, words: words(best_name) });
            }
            None => unmeasured.push(words(best_name)),
        }
    }
    assert!(!found.is_empty(), "{}: no contraction of the suite is in the file", limit.machine);
    let sum = |of: fn(&Chosen) -> f64| found.iter().map(of).sum::<f64>();
    let whole = sum(Chosen::lost) / sum(|chosen| chosen.best * chosen.uses as f64);
    found.sort_by(|a, b| b.regret().total_cmp(&a.regret()));
    let single = found[0].regret();
    // Of a few networks, the whole says nothing.
    let good = (whole <= limit.whole || !all()) && single <= limit.single;
    let good = good && unmeasured.len() <= limit.unmeasured && gone.len() <= limit.gone;
    let figures = format!(
        "on {}, the chosen recipes of {} contractions take {:.2} % more than the best (at most {:.2} %), a single one \
         {:.1} % more (at most {:.1} %), {} chosen ones were not measured (at most {}), and {} measured contractions are no longer \
         there (at most {})",
        limit.machine,
        found.len(),
        1e2 * whole,
        1e2 * limit.whole,
        1e2 * single,
        1e2 * limit.single,
        unmeasured.len(),
        limit.unmeasured,
        gone.len(),
        limit.gone,
    );
    let row = |chosen: &Chosen| {
        format!("{:6.1} %, {:7.1} us in all: {}", 1e2 * chosen.regret(), chosen.lost() / 1e3, chosen.words)
    };
    let mut rows: Vec<String> = found.iter().take(5).map(row).collect();
    found.sort_by(|a, b| b.lost().total_cmp(&a.lost()));
    rows.extend(found.iter().take(10).map(row));
    rows.extend(unmeasured.iter().map(|words| format!("not measured: {words}")));
    rows.extend(gone.iter().map(|text| format!("no longer there: {text}")));
    let help = "A change of the cost model that is meant measures the machine again, or says in its commit why the limits \
                in tests/digest/regret.rs are others.";
    assert!(good, "{figures}:\n{}\n{help}", rows.join("\n"));
    println!("{figures}");
}
