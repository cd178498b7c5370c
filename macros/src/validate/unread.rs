//! Names that a `let` gives to what nothing reads. Knows tokens and where a name ends, and not what it stands for.

use proc_macro2::{Ident, TokenStream, TokenTree};
use quote::ToTokens;
use syn::{Block, Expr, Pat, Stmt};

use super::steps::Warning;

/// What is to be warned of in a body that ends with these results: each name once.
pub fn warnings(statements: &[Stmt], results: &[Ident], found: &mut Vec<Warning>) {
    for (position, statement) in statements.iter().enumerate() {
        within(statement, found);
        let Stmt::Local(local) = statement else { continue };
        let Pat::Ident(pattern) = &local.pat else { continue };
        let name = &pattern.ident;
        let is_known = found.iter().any(|warning| warning.name == *name);
        if is_known || name.to_string().starts_with('_') || is_read(name, &statements[position + 1..], results) {
            continue;
        }
        let note = format!("`{name}` is never read: leave it out, or call it `_{name}`");
        found.push(Warning { name: name.clone(), kind: "never_read", note });
    }
}

/// Whether what follows reads a name, before another `let` gives it to something else.
fn is_read(name: &Ident, after: &[Stmt], results: &[Ident]) -> bool {
    for statement in after {
        match statement {
            Stmt::Local(local) => {
                if local.init.as_ref().is_some_and(|init| reads(init.expr.to_token_stream(), name)) {
                    return true;
                }
                if reads(local.pat.to_token_stream(), name) {
                    return false;
                }
            }
            other if reads(other.to_token_stream(), name) => return true,
            _ => {}
        }
    }
    results.contains(name)
}

/// Whether tokens hold a name other than to give it a value, `x = ..`, to push to it, or as that of an argument or a field.
fn reads(tokens: TokenStream, name: &Ident) -> bool {
    let tokens: Vec<TokenTree> = tokens.into_iter().collect();
    let is = |position: usize, text: &str| tokens.get(position).is_some_and(|token| token.to_string() == text);
    tokens.iter().enumerate().any(|(position, token)| match token {
        TokenTree::Group(group) => reads(group.stream(), name),
        TokenTree::Ident(ident) if ident == name => {
            // Behind both dots of a range stands a number.
            let is_member = position > 0 && is(position - 1, ".") && !(position > 1 && is(position - 2, "."));
            let is_target = is(position + 1, "=") && !is(position + 2, "=");
            let is_pushed = is(position + 1, ".") && is(position + 2, "push");
            !is_member && !is_target && !is_pushed
        }
        _ => false,
    })
}

/// The blocks in a statement.
fn within(statement: &Stmt, found: &mut Vec<Warning>) {
    match statement {
        Stmt::Local(local) => local.init.iter().for_each(|init| blocks(&init.expr, found)),
        Stmt::Expr(expression, _) => blocks(expression, found),
        Stmt::Item(_) | Stmt::Macro(_) => {}
    }
}

fn blocks(expression: &Expr, found: &mut Vec<Warning>) {
    let mut block = |block: &Block| warnings(&block.stmts, &[], found);
    match expression {
        Expr::ForLoop(each) => block(&each.body),
        Expr::Block(inner) => block(&inner.block),
        Expr::If(choice) => {
            block(&choice.then_branch);
            if let Some((_, other)) = &choice.else_branch {
                blocks(other, found);
            }
        }
        Expr::Assign(assign) => blocks(&assign.right, found),
        _ => {}
    }
}
