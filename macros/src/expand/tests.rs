//! How much is written for a statement, of each kind: what rustc takes for a body is nearly all for that. A few short
//! calls, of which none names a type with const arguments (each of these would be a constant of its own for rustc),
//! and no more for a statement among many than among few. It counts tokens; nothing is compiled.

use proc_macro2::{TokenStream, TokenTree};

use super::expand;
use crate::mistakes::Mistakes;
use crate::{naming, parse, validate};

/// Statements, each with the most tokens that the two walks together take for it.
const STATEMENTS: [(&str, usize); 26] = [
    ("x = x.relu();", 20),
    ("x = tanh(x);", 20),
    ("let y = x.sigmoid();", 30),
    ("x = x + y;", 30),
    ("x += y;", 30),
    ("x = x * 0.5;", 30),
    ("x = x - y * 2.0;", 40),
    ("x = -x;", 20),
    ("x = x.clamp(-1.0, 1.0);", 20),
    ("x = x.softmax(1);", 20),
    ("x = x.mean(dim = 1, keepdim = true);", 20),
    ("x = x.reshape([N, 8]);", 30),
    ("x = cat([x, y], 1).narrow(1, 0, 8);", 40),
    ("x = where(x > 0.0, x, y);", 50),
    ("let (p, q) = x.chunk(2, 1);", 40),
    ("x = x.matmul(fc.weight);", 40),
    ("x = fc(x);", 20),
    ("x = list[1](x);", 30),
    ("x = body(x);", 20),
    ("x = part(x);", 20),
    ("x = Sub(x);", 20),
    ("x = own(x, 0.5);", 30),
    ("x = fc(x).relu() + y;", 50),
    ("if DEEP { x = x.relu(); }", 30),
    ("for i in 0..2 { x = list[i](x); }", 170),
    ("x = x + mse(x, y);", 50),
];

/// The tokens of what a model is expanded to whose body has such a statement so often.
fn tokens(statement: &str, times: usize) -> usize {
    let body = [statement.replace("Sub(", "sub(").as_str(), "\n"].concat().repeat(times);
    let text = format!(
        "struct Net {{
            fc: Linear(8, 8), list: [Linear(8, 8); 4], sub: Sub, part: Part<8>,
            body: Sequential {{ fc: Linear(8, 8), act: Tanh }},
        }}
        fn own(a, s: f64) {{ a * s }}
        fn forward(x: [N, 8], y: [N, 8]) -> [N, 8] {{ {body} x }}"
    );
    let mut mistakes = Mistakes::default();
    let declaration = parse::model(text.parse().expect("tokens"), &mut mistakes).unwrap_or_else(|e| panic!("{e}"));
    let _known = naming::set(Some(&syn::parse_quote!(::kiln)));
    let declaration = validate::validate(declaration, &mut mistakes);
    assert!(mistakes.is_empty(), "`{statement}` has a mistake");
    count(expand(&declaration))
}

fn count(tokens: TokenStream) -> usize {
    let each = tokens.into_iter().map(|token| match token {
        TokenTree::Group(group) => 2 + count(group.stream()),
        _ => 1,
    });
    each.sum()
}

#[test]
fn little_is_written_for_a_statement() {
    let mut failures = Vec::new();
    for (statement, most) in STATEMENTS {
        let [few, more, many] = [4, 8, 24].map(|times| tokens(statement, times));
        let each = (more - few) / 4;
        if each > most || many - more != 16 * each {
            failures.push(format!("`{statement}`: {each} tokens of at most {most}, then {} for 16", many - more));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}
