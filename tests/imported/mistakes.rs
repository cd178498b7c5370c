//! What rustc says to an `onnx_model!` that is wrong: on the user's line, with the file's path.

use std::fs;

use kiln::kiln_onnx::prost::Message;
use kiln::kiln_onnx::proto::{GraphProto, ModelProto, NodeProto, OperatorSetIdProto, ValueInfoProto};
use kiln::onnx::OnnxExport;
use kiln::prelude::*;

use crate::folder::Folder;
use crate::libraries::Libraries;

model! {
    struct Tagger {
        words: Embedding(10, 4),
        lstm: LSTM(4, 3, batch_first = true),
    }

    fn forward(x: [N, T; i32]) -> [N, T, 3] {
        let (held, _) = lstm(words(x));
        held
    }
}

model! {
    struct Small {
        fc: Linear(4, 3),
    }

    fn forward(x: [N, 4]) -> [N, 3] {
        fc(x)
    }
}

model! {
    struct Wide {
        fc: Linear(64, 16),
    }

    fn forward(x: [N, 64]) -> [N, 16] {
        fc(x)
    }
}

/// A statement in the third line, and where and how rustc says what is wrong with it; `FOLDER` stands for that of the crate.
const CASES: [(&str, &str); 19] = [
    (
        r#"onnx_model!("nets/smal.onnx");"#,
        "3:13: error: nets/smal.onnx: there is no file FOLDER/nets/smal.onnx; there is bad.onnx, lost.onnx, odd.onnx, open.onnx, small.onnx",
    ),
    (
        r#"onnx_model!("elsewhere/net.onnx");"#,
        "3:13: error: elsewhere/net.onnx: there is no file FOLDER/elsewhere/net.onnx",
    ),
    (
        r#"onnx_model!("nets/bad.onnx");"#,
        "3:13: error: nets/bad.onnx: this is no ONNX file, or a damaged one: failed to decode Protobuf message: \
         invalid tag value: 0",
    ),
    (
        r#"onnx_model!("nets/odd.onnx", x: [N, 4]);"#,
        "3:13: error: nets/odd.onnx: node `y` (Wobble): Kiln has no such operator",
    ),
    (
        r#"onnx_model!("nets/open.onnx");"#,
        "3:13: error: nets/open.onnx: input `x` has the open shape [N, T]: say it, as in \
         `onnx_model!(\"nets/open.onnx\", x: [N, 3, 32, 32])`",
    ),
    (
        r#"onnx_model!("nets/open.onnx", y: [N, 8]);"#,
        "3:31: error: nets/open.onnx: the model has no input `y`; it has `x`",
    ),
    (
        r#"onnx_model!("nets/small.onnx", x: [N, 5]);"#,
        "3:32: error: nets/small.onnx: input `x`: the shape should be [?, 4], but is [N, 5]",
    ),
    (
        r#"onnx_model!("nets/small.onnx", x: [2, 4]);"#,
        "3:13: error: nets/small.onnx: input `x` has the shape [2, 4], and a model takes any number of samples, which lie \
         along the first axis: say `onnx_model!(\"nets/small.onnx\", x: [N, 4])`, if the file's nodes can do with that; \
         else take it by `OnnxModel::load`",
    ),
    (
        r#"onnx_model!("nets/small.onnx", x: [N, WIDTH]);"#,
        "3:32: error: nets/small.onnx: input `x`: the shape should be [?, 4], but is [N, WIDTH]",
    ),
    (
        r#"onnx_model!("nets/open.onnx", x: [N, width]);"#,
        "3:38: error: an extent is a number here, N as the first one for any number of samples, or the name of a free \
         length: a capital letter, then capital letters, digits and `_`, 7 at most",
    ),
    (r#"onnx_model!("nets/open.onnx", x: [3, N]);"#, "3:38: error: N is the first extent: any number of samples"),
    (
        r#"const T: usize = 3; onnx_model!("nets/open.onnx", x: [N, T]);"#,
        "3:58: error[E0080]: evaluation panicked: `T` is a constant, and the file is read before constants have values: write \
         its number, or take another name for a free length",
    ),
    (
        r#"onnx_model!("nets/lost.onnx");"#,
        "3:13: error: nets/lost.onnx: tensor `fc.weight`: external data `lost.onnx.data`: ",
    ),
    (r#"onnx_model!("nets/small.onnx" -> ["hidden"]);"#, "3:35: error: nets/small.onnx: no node gives `hidden`"),
    (r#"onnx_model!(nets);"#, "3:13: error: expected the path of an ONNX file, as in `onnx_model!(\"net.onnx\")`"),
    (
        r#"onnx_model!("nets/small.onnx", 3);"#,
        "3:32: error: expected the name of an input with its shape or its value: `x: [N, 3, 32, 32]`, `rate = 16000`",
    ),
    // What uses the model is checked by the shapes of the file.
    (
        r#"onnx_model!("nets/small.onnx"); model! { struct Net { s: Small } fn forward(x: [N, 5]) -> [N, 3] { s(x) } }"#,
        "3:100: error[E0080]: evaluation panicked: shape mismatch in layer s: its input must have shape \
         [N, 4], but has shape [N, 5]",
    ),
    (
        r#"onnx_model!("nets/small.onnx"); model! { struct Net { s: Small } fn forward(x: [N, 4]) -> [N, 2] { s(x) } }"#,
        "3:91: error[E0080]: evaluation panicked: the declared output of Net differs",
    ),
    // A model that could not be read is one mistake, wherever it is used.
    (
        r#"onnx_model!("nets/bad.onnx"); fn f() { let _ = Predictor::new(Bad::init(0)).build(); }"#,
        "3:13: error: nets/bad.onnx: this is no ONNX file",
    ),
];

#[test]
fn mistakes_are_explained_where_they_are_made() {
    let libraries = Libraries::with_features("imported", &["kiln"], "onnx");
    let folder = Folder::new("onnx_model");
    folder.file("Cargo.toml", b"[package]\nname = \"cases\"\n\n[dependencies]\nkiln = \"*\"\n");
    fs::create_dir(folder.path("nets")).unwrap();
    Small::init(1).export_onnx(folder.path("nets/small.onnx")).unwrap();
    Tagger::init(1).export_onnx(folder.path("nets/open.onnx")).unwrap();
    let lost = OnnxExport::new(&Wide::init(1)).external_data(true).save(folder.path("nets/lost.onnx"));
    lost.unwrap();
    fs::remove_file(folder.path("nets/lost.onnx.data")).unwrap();
    folder.file("nets/bad.onnx", b"\0 no model");
    folder.file("nets/odd.onnx", &odd());
    for (statement, expected) in CASES {
        let case =
            folder.file("case.rs", format!("use kiln::prelude::*;\n\n{statement}\n\nfn main() {{}}\n").as_bytes());
        let mut rustc = libraries.rustc();
        rustc
            .args(["--crate-type", "bin", "--emit", "metadata", "--error-format", "short", "-A", "warnings"])
            .arg(&case);
        rustc.arg("-o").arg(folder.path("case.rmeta")).current_dir(&folder.0);
        rustc.env("CARGO_MANIFEST_DIR", &folder.0).env("CARGO_PKG_NAME", "cases").env("CARGO_CRATE_NAME", "case");
        let output = rustc.output().expect("rustc runs");
        let words = String::from_utf8_lossy(&output.stderr).replace(&folder.0.display().to_string(), "FOLDER");
        let errors: Vec<&str> = words.lines().filter(|line| line.contains(": error")).collect();
        let first = errors.first().copied().unwrap_or_default();
        let first = first.strip_prefix("FOLDER/case.rs:").unwrap_or(first);
        assert!(errors.len() == 1 && first.starts_with(expected), "{statement}\n{expected}\n{words}");
    }
}

/// A file of an operator that nobody has.
fn odd() -> Vec<u8> {
    let named = |name: &str| ValueInfoProto { name: Some(name.to_owned()), ..ValueInfoProto::default() };
    let node = NodeProto {
        op_type: Some("Wobble".to_owned()),
        input: vec!["x".to_owned()],
        output: vec!["y".to_owned()],
        ..NodeProto::default()
    };
    let graph =
        GraphProto { node: vec![node], input: vec![typed("x")], output: vec![named("y")], ..GraphProto::default() };
    let opset_import = vec![OperatorSetIdProto { domain: None, version: Some(18) }];
    ModelProto { graph: Some(graph), opset_import, ..ModelProto::default() }.encode_to_vec()
}

/// Of f32, of a shape that is not said.
fn typed(name: &str) -> ValueInfoProto {
    use kiln::kiln_onnx::proto::{TypeProto, type_proto};
    let tensor = type_proto::Tensor { elem_type: Some(1), shape: None };
    let ty = TypeProto { value: Some(type_proto::Value::TensorType(tensor)), denotation: None };
    ValueInfoProto { name: Some(name.to_owned()), r#type: Some(ty), ..ValueInfoProto::default() }
}
