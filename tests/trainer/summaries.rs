//! What summaries say of layers: parameters, work, outputs and memory.

use kiln::prelude::*;
use kiln::report::Summary;

use super::trainer;

/// Only what has a place for each sample is said to have one.
#[test]
fn the_summary_knows_what_has_rows() {
    model! {
        struct Net {
            scale: Parameter([]),
            shift: Parameter(3),
            fc: Linear(4, 3),
            mix: Linear(5, 4),
        }

        fn forward(x: [N, 4], table: [6, 5]) -> [N, 3] {
            fc(x + mix(table).mean(0)) * scale + shift
        }
    }
    model! {
        struct Turned {
            fc: Linear(4, 3),
            places: Linear(3, 3),
            last: Linear(2, 5),
        }

        fn forward(x: [N, 4]) -> [N, 5] {
            let (a, b) = fc(cat((x, x), dim = 0)).chunk(2);
            let all = places(a.unsqueeze(0) + b.unsqueeze(0));
            last(all.squeeze(0).narrow(1, 0, 2))
        }
    }
    let rows = |summary: Summary| -> Vec<String> {
        summary.layers.iter().map(|row| format!("{} {}", row.name, row.output)).collect()
    };
    let predictor = Predictor::new(Net::init(0)).batch(4).threads(1).build().unwrap();
    assert_eq!(rows(predictor.summary().unwrap()), ["scale []", "shift [3]", "fc [N, 3]", "mix [6, 4]"]);
    let predictor = Predictor::new(Turned::init(0)).batch(4).threads(1).build().unwrap();
    assert_eq!(rows(predictor.summary().unwrap()), ["fc [2 * N, 3]", "places [1, N, 3]", "last [N, 5]"]);
}

#[test]
fn the_summary_counts_layers_parameters_and_work() {
    let mut trainer = trainer(8, 1);
    let summary = trainer.summary().unwrap();
    assert_eq!(summary.parameters(), 4 * 9 + 4 + 64 * 3 + 3);
    let names: Vec<&str> = summary.layers.iter().map(|row| row.name.as_str()).collect();
    assert_eq!(names, ["conv", "act", "pool", "flatten", "fc"]);
    let outputs: Vec<String> = summary.layers.iter().map(|row| row.output.to_string()).collect();
    assert_eq!(outputs, ["[N, 4, 8, 8]", "[N, 4, 8, 8]", "[N, 4, 4, 4]", "[N, 64]", "[N, 3]"]);
    // The convolution's multiply-adds and the bias, the product's and the bias.
    assert_eq!(summary.layers[0].flops, 4 * 64 * (2 * 9 + 1));
    assert_eq!(summary.layers[4].flops, 3 * (2 * 64 + 1));
    // Training holds parameters, two moments and the activations; inference the parameters at least.
    let parameters = 4 * summary.parameters();
    assert!(summary.training_bytes > Some(3 * parameters), "{summary}");
    assert!(
        summary.inference_bytes > Some(parameters) && summary.inference_bytes < summary.training_bytes,
        "{summary}"
    );
    let text = summary.to_string();
    assert!(text.contains("planned memory at batch 8: training"), "{text}");
}
