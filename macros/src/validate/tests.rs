//! What declarations mean, and what is said about wrong ones: each case is a declaration as its author would write it.
//! Nothing is expanded.

use proc_macro2::TokenStream;
use quote::quote;
use syn::DeriveInput;

use super::{Layer, LayerKind, Validated, validate};
use crate::ast::{Node, Sequence, Style};
use crate::mistakes::{Mistakes, spaced};
use crate::parse;

fn read(text: &str, mistakes: &mut Mistakes) -> Validated {
    let tokens: TokenStream = text.parse().expect("a case is made of tokens");
    let declaration = if text.starts_with("#[derive") {
        let input: DeriveInput = syn::parse2(tokens).expect("a case under the derive is an item");
        parse::derive(input, mistakes)
    } else {
        parse::model(tokens, mistakes).expect("a case can be read")
    };
    validate(declaration, mistakes)
}

/// The layers in short: `fc: Linear<10, 10>.bias(false)`; `Block*` is a model.
fn meaning(body: &Sequence<Layer>) -> String {
    let members = body.members.iter().map(|member| match &member.name {
        syn::Member::Named(name) => format!("{name}: {}", node_meaning(&member.node)),
        syn::Member::Unnamed(_) => node_meaning(&member.node),
    });
    members.collect::<Vec<_>>().join(", ")
}

fn node_meaning(node: &Node<Layer>) -> String {
    match node {
        Node::Layer(layer) => {
            let ty = spaced(&layer.ty);
            match &layer.kind {
                LayerKind::Known { settings, .. } => {
                    let calls =
                        spaced(settings).replace("::kiln::layers::PerAxis::", "").replace(" .", ".").replace(". ", ".");
                    let (_, calls) = calls.split_once("::new()").expect("settings start with their defaults");
                    format!("{ty}{calls}")
                }
                LayerKind::Model => format!("{ty}*"),
            }
        }
        Node::List { element, length } => format!("[{}; {}]", node_meaning(element), spaced(length)),
        Node::Sequence(inner) if inner.style == Style::Named => format!("{{{}}}", meaning(inner)),
        Node::Sequence(inner) => format!("({})", meaning(inner)),
    }
}

fn check(text: &str, expected: &str) {
    let mut mistakes = Mistakes::default();
    let _known = crate::naming::set(Some(&syn::parse_quote!(::kiln)));
    let declaration = read(text, &mut mistakes);
    assert_eq!(mistakes.messages(), [""; 0], "{text}");
    assert_eq!(meaning(&declaration.body), expected, "{text}");
}

fn check_mistakes(text: &str, expected: &[&str]) {
    let mut mistakes = Mistakes::default();
    let _known = crate::naming::set(Some(&syn::parse_quote!(::kiln)));
    read(text, &mut mistakes);
    let messages = mistakes.messages();
    assert_eq!(messages.len(), expected.len(), "{text}: {messages:#?}");
    for (message, expected) in messages.iter().zip(expected) {
        assert!(message.starts_with(expected), "{text}: {message}, expected {expected}");
    }
}

#[test]
fn the_derive_reads_types_and_options() {
    let cases = [
        ("struct Net { fc: Linear<10, N> }", "fc: Linear<10, N>"),
        ("struct Net(Linear<10, { 2 * N }>, layers::ReLU);", "Linear<10, { 2 * N }>, layers::ReLU"),
        ("struct Net { #[model(bias = false)] fc: Linear<1, 2> }", "fc: Linear<1, 2>.bias(false)"),
        (
            "struct Net(#[model(stride = (2, 1), padding = 3)] MaxPool2d<2>);",
            "MaxPool2d<2>.stride(new([2, 1])).padding(all(3))",
        ),
        ("struct Net(#[model(padding = \"same\")] Conv2d<1, 2, 3, 5>);", "Conv2d<1, 2, 3, 5>.padding_same()"),
        ("struct Net(#[model(padding = \"valid\")] Conv2d<1, 2, 3>);", "Conv2d<1, 2, 3>.padding(all(0))"),
        ("struct Net(#[model(end_dim = -2)] Flatten);", "Flatten.end_dim(-2)"),
        ("struct Net(#[model(negative_slope = 1)] LeakyReLU);", "LeakyReLU.negative_slope(1 as f64)"),
        ("struct Net(#[model(negative_slope = -2)] LeakyReLU);", "LeakyReLU.negative_slope(-2 as f64)"),
        ("struct Net(#[model(bias = BIAS)] [Linear<2, 2>; 3]);", "[Linear<2, 2>.bias(BIAS); 3]"),
        ("struct Net((ReLU, (Tanh,)), Block<3>, crate::Linear);", "(ReLU, (Tanh)), Block<3>*, crate::Linear*"),
    ];
    for (text, expected) in cases {
        check(&format!("#[derive(Model)] #[model(input = [1])] {text}"), expected);
    }
}

#[test]
fn model_reads_calls() {
    let cases = [
        ("struct Net(Linear(10, 2 * N, bias = false));", "Linear<10, { 2 * N }>.bias(false)"),
        ("struct Net(Linear(out_features = 3, in_features = 2));", "Linear<2, 3>"),
        ("struct Net(Conv2d(1, 2, (3, 5), 2, groups = 1));", "Conv2d<1, 2, 3, 5>.stride(all(2)).groups(1)"),
        ("struct Net(Conv2d<1, 2, 3>(2));", "Conv2d<1, 2, 3>.stride(all(2))"),
        ("struct Net(Linear(sizes::HIDDEN, SIZES[1]));", "Linear<{ sizes::HIDDEN }, { SIZES [1] }>"),
        ("struct Net(ReLU, ReLU(), Block(2, N), Block<2, N>);", "ReLU, ReLU, Block<2, N>*, Block<2, N>*"),
        ("struct Net { a: [[Tanh; 2]; N], b: [Block; 2] }", "a: [[Tanh; 2]; N], b: [Block*; 2]"),
        (
            "struct Net { a: Sequential { b: ReLU, c: Sequential(Tanh, (Sigmoid,)) } }",
            "a: {b: ReLU, c: (Tanh, (Sigmoid))}",
        ),
        ("struct Net { own: self::Conv1d(2) }", "own: self::Conv1d<2>*"),
    ];
    for (text, expected) in cases {
        check(&format!("#[model(input = [1])] {text}"), expected);
    }
}

#[test]
fn mistakes_are_collected() {
    let cases: &[(&str, &[&str])] = &[
        ("struct Net(Linear(1), Linaer(1, 2));", &["`Linear` needs `out_features`", "there is no layer `Linaer`"]),
        (
            "struct Net(AdaptiveLogSoftmaxWithLoss(512));",
            &[
                "`AdaptiveLogSoftmaxWithLoss` needs `n_classes`: it takes `in_features`, `n_classes` and the options `cutoffs`",
            ],
        ),
        ("struct Net { fc: Linear(1, 1), opt: Adam(fc, lr = 1e-3) }", &["an optimizer works in a `step`"]),
        (
            "struct Net { head: Sequential { opt: Adam(fc) } }",
            &["`Adam` is no layer: an optimizer is a field of the model by itself"],
        ),
        ("struct Net(Linear());", &["`Linear` needs `in_features` and `out_features`"]),
        ("struct Net(Tanh(1));", &["too many arguments: `Tanh` takes no arguments"]),
        ("struct Net(Linear(1, 2, bais = true));", &["unknown option `bais`; did you mean `bias`?"]),
        ("struct Net(ReLU(inplace = true));", &["`ReLU` does not take PyTorch's `inplace`: leave it out"]),
        ("struct Net(Linear(1, 2, true, bias = true));", &["`bias` of `Linear` is given twice"]),
        ("struct Net(Linear(1, 2.5));", &["`out_features` of `Linear` is a whole number, not `2.5`"]),
        ("struct Net(Linear(-1, 2));", &["`in_features` of `Linear` is a whole number, not `-1`"]),
        ("struct Net(Linear(1, 2, bias = True));", &["`bias` of `Linear` is `true` or `false`, not `True`"]),
        ("struct Net(MaxPool2d(2, (1, 2, 3)));", &["`stride` of `MaxPool2d` is a whole number or a pair"]),
        ("struct Net(AvgPool2d(2, padding = \"same\"));", &["`padding` of `AvgPool2d` is a whole number or a pair"]),
        ("struct Net(Vec<ReLU>);", &["a list of layers has a fixed length"]),
        ("struct Net(Block(size = 2));", &["`Block` is no layer of Kiln, and takes no options"]),
        ("struct Net<'a, T>(ReLU);", &["a model takes const parameters only"; 2]),
        ("struct Net {}", &["`Net` has no layers"]),
        ("struct Net { #[cfg(test)] a: ReLU }", &["a layer can not depend on `cfg`"]),
    ];
    for (text, expected) in cases {
        check_mistakes(&format!("#[model(input = [1])] {text}"), expected);
    }
    check_mistakes("struct Net(ReLU, Relu);", &["`Net` does not say what its input is", "there is no layer `Relu`"]);
    check_mistakes(
        "#[model(input = 3)] struct Net(ReLU);",
        &["write the extents of one sample in brackets: `input = [3]`"],
    );
    check_mistakes(
        "#[model(input = (3, 4), stride = 2)] struct Net(ReLU);",
        &["write the extents of one sample in brackets: `input = [3, 4]`", "unknown option `stride`: a model takes"],
    );
    check_mistakes(
        "struct Net(ReLU); fn forward(x: [N, 3]) -> [N, 3] { x }",
        &["a model with a `forward` names its layers"],
    );
    check_mistakes("#[derive(Model)] #[model(input = [3])] enum Net { A(ReLU) }", &["a model is a struct"]);
}

#[test]
fn what_rustc_finds_in_the_struct_is_left_to_it() {
    for text in ["struct Net(Linear<1>);", "struct Net(Linaer<1, 2>);", "struct Net(GroupNorm<3>);"] {
        let mut mistakes = Mistakes::default();
        read(&format!("#[derive(Model)] #[model(input = [1])] {text}"), &mut mistakes);
        assert_eq!(mistakes.messages(), [""; 0], "{text}");
    }
}

#[test]
fn tokens_read_as_a_person_writes_them() {
    assert_eq!(spaced(quote!(Linear<{ a::B }, 2>)), "Linear<{ a::B }, 2>");
    assert_eq!(spaced(quote!((1, -2, a - b))), "(1, -2, a - b)");
}

#[test]
fn names_that_a_program_may_not_have_are_documented() {
    let text = include_str!("../steps.md");
    for name in super::steps::RESERVED {
        assert!(text.contains(&format!("`{name}`")), "{name}");
        let program = format!("struct Net {{ fc: Linear(4, 4) }} eval {name}(x: [N, 4]) -> y {{ let y = fc(x); }}");
        check_mistakes(&program, &[&format!("the trainer has a method `{name}` already: choose another name")]);
    }
}
