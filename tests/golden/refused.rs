//! Programs that PyTorch refuses when they run: what refuses the same mistake here, rustc or Kiln as users call it. Programs
//! are told by what stands in their Python.

use std::path::Path;

use kiln::graph::{Builder, Init};
use kiln::prelude::*;
use safetensors::tensor::{Dtype, TensorView, serialize};

use crate::case::{Array, Refusal};
use crate::folder::Folder;

/// What rustc refuses: what stands in the Python, the case in `tests/ui`, the use there, and words of rustc.
const BY_RUSTC: &[(&str, &str, &str, &str)] = &[
    (".add_(", "forward_in_place", "y.add_(x);", "values are immutable, and `add_` writes in place"),
    ("OneCycleLR(", "one_cycle_without_length", "OneCycleLR::new(1.0)", "argument #2 of type `u64` is missing"),
];

model! {
    #[model(input = [2])]
    struct Nothing(ReLU);
}

/// What is said of a program with these inputs; nothing where it holds none of the mistakes that are known here.
pub fn refusal(code: &str, inputs: &[Array]) -> Option<Result<String, Refusal>> {
    if let Some(row) = BY_RUSTC.iter().find(|row| code.contains(row.0)) {
        return Some(by_rustc(row.1, row.2, row.3));
    }
    let said = if code.contains("optim.SGD([]") {
        Trainer::new(Nothing::init(0), mse(), Sgd::new(0.1)).build().err().map(|error| error.to_string())
    } else if code.contains("nn.Linear(3, 2)") && code.contains("load_state_dict(") {
        loaded(code, inputs)
    } else if code.contains("torch.zeros(0)") {
        let g = Builder::new("empty");
        g.output("max", g.input("x", [0]).amax(..));
        g.finish().err().map(|error| error.to_string())
    } else {
        return None;
    };
    Some(said.ok_or_else(|| Refusal::Error("it is accepted".into())))
}

/// That a case in `tests/ui` has a use, and that rustc's words of it hold these.
pub fn by_rustc(name: &str, written: &str, words: &str) -> Result<String, Refusal> {
    let case = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/ui").join(name);
    let read = |extension: &str| std::fs::read_to_string(case.with_extension(extension)).unwrap_or_default();
    let shown = read("stderr").split("\nerror").any(|error| error.contains(words) && error.contains(written));
    match read("rs").contains(written) && shown {
        true => Ok(format!("refused by rustc: tests/ui/{name}.rs")),
        false => Err(Refusal::Case(format!("tests/ui/{name}.rs does not show that rustc refuses `{written}`"))),
    }
}

/// What a layer says of a file with the inputs that the Python gives names: `{'weight': x0, 'bias': x1}`.
fn loaded(code: &str, inputs: &[Array]) -> Option<String> {
    let zeros: Vec<u8> = vec![0; 4 * inputs.iter().map(|input| input.shape().iter().product()).max().unwrap_or(0)];
    let mut tensors = Vec::new();
    for name in ["weight", "bias"] {
        for (number, input) in inputs.iter().enumerate() {
            if code.contains(&format!("'{name}': x{number}")) {
                let bytes = &zeros[..4 * input.shape().iter().product::<usize>()];
                tensors.push((name, TensorView::new(Dtype::F32, input.shape().to_vec(), bytes).ok()?));
            }
        }
    }
    let folder = Folder::new("golden");
    let path = folder.file("state.safetensors", &serialize(tensors, None).ok()?);
    let mut linear = Linear::<3, 2>::new(LinearSettings::new(), &mut Init::new(0));
    linear.load(path).err().map(|error| error.to_string())
}
