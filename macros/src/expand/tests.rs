//! How much is written for a statement, of each kind: what rustc takes for a body is nearly all for that. A few short
//! calls, of which none names a type with const arguments (each of these would be a constant of its own for rustc),
//! and no more for a statement among many than among few.

use proc_macro2::{TokenStream, TokenTree};

use super::expand;
use crate::mistakes::Mistakes;
use crate::{naming, parse, validate};

/// Statements, each with the most tokens that the two walks together take for it.
const STATEMENTS: [(&str, usize); 26] = [
    ("x = x.relu();", 100),
    ("x = tanh(x);", 100),
    ("let y = x.sigmoid();", 100),
    ("x = x + y;", 100),
    ("x += y;", 100),
    ("x = x * 0.5;", 100),
    ("x = x - y * 2.0;", 200),
    ("x = -x;", 100),
    ("x = x.clamp(-1.0, 1.0);", 220),
    ("x = x.softmax(1);", 200),
    ("x = x.mean(dim = 1, keepdim = true);", 200),
    ("x = x.reshape([N, 8]);", 200),
    ("x = cat([x, y], 1).narrow(1, 0, 8);", 340),
    ("x = where(x > 0.0, x, y);", 300),
    ("let (p, q) = x.chunk(2, 1);", 200),
    ("x = x.matmul(fc.weight);", 200),
    ("x = fc(x);", 100),
    ("x = list[1](x);", 100),
    ("x = body(x);", 100),
    ("x = part(x);", 100),
    ("x = Sub(x);", 100),
    ("x = own(x, 0.5);", 100),
    ("x = fc(x).relu() + y;", 200),
    ("if DEEP { x = x.relu(); }", 120),
    ("for i in 0..2 { x = list[i](x); }", 250),
    ("x = x + mse(x, y);", 300),
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
