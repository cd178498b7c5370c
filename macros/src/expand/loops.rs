//! Loops of a body, the same over values and over types. They count by themselves, as constants have no `for`:
//!
//! ```text
//! x = {                                          what the body of the loop sets
//!     let mut x = x;
//!     while counter < array.len() {
//!         let i = element(&array, counter);
//!         counter = counter.wrapping_add(1);
//!         { .. x = .. }
//!         continue;
//!     }
//!     x
//! };
//! ```
//!
//! rustc's analyses of control flow carry what may have been set once around each loop and then down to the end of
//! its scope. What lives no longer than the block of the loop stops there, and the time grows with the number of
//! loops. Variables that rustc makes live to the end of the function, and it would grow with the square: those of
//! `counter += 1`, which checks for overflow, of `array[counter]`, and of the value of a body that does not end in
//! `continue`. A body that does not name the number is gone through so often, and over types until a round leaves all
//! types as they were: then no other one would say more. Ranges whose type is that of a constant count without the
//! check; others that are not written out, long ones between literals and those between variables, count with it. What
//! a body computes does not matter here.

use proc_macro2::{Ident, Literal, TokenStream, TokenTree};
use quote::ToTokens;
use syn::LitInt;

use super::checks::call;
use crate::ast::Place;
use crate::body::Range;
use crate::naming::KILN;

/// The most numbers of a range that are written out, which spares rustc the sums. Unit: numbers. A guess, 2026-11-30.
const MOST_WRITTEN: i64 = 64;

/// The most rounds of a short body that are written one behind the other: a loop takes rustc as long as several. Unit:
/// rounds. Emerald Rapids, 2026-11-30; ARCHITECTURE.md has what 2,000 loops take.
const MOST_ROUNDS: usize = 4;

/// A loop over a range, with a body that may be so short that its rounds are written one behind the other.
pub fn over_range(
    variable: &Ident,
    range: &Range,
    body: &TokenStream,
    sets: &[Ident],
    is_short: bool,
    settles: bool,
) -> TokenStream {
    if let Some(numbers) = written_out(range) {
        if settles {
            let count = Literal::usize_suffixed(numbers.len());
            return until_settled(&count.into_token_stream(), body, sets);
        }
        if is_short && numbers.len() <= MOST_ROUNDS {
            // What is set need not be read in the next round.
            return emit!(#[allow(unused_assignments)] { #({ let #variable = #numbers; #body })* });
        }
        if !names(body, variable) {
            return so_often(numbers.len(), body, sets);
        }
        return over_array(variable, &emit!([#(#numbers),*]), body, sets, false);
    }
    let Range { start, end, inclusive, reversed, step, typed } = range;
    if let Some(step) = step {
        let behind = if *inclusive { emit!(#end + 1) } else { end.clone() };
        let check = call(Place::of(step), emit!(shape::check_step), emit!((#step) as i64));
        // Behind the last number there may be none that is a step further.
        let steps = emit! {
            let mut counter = #start;
            let end = #behind;
            #check;
            // Of the type of the ends, whatever that of the step is.
            let step = if true { (#step) as _ } else { end };
            while counter < end {
                let #variable = counter;
                counter = if end - counter <= step { end } else { counter + step };
                { #body }
                continue;
            }
        };
        return around(&steps, sets);
    }
    // Behind the last number of an inclusive range there may be none.
    let step = match (*typed && !*inclusive, reversed) {
        (true, false) => emit!(counter = counter.wrapping_add(1);),
        (true, true) => emit!(counter = counter.wrapping_sub(1);),
        (false, false) => emit!(counter += 1;),
        (false, true) => emit!(counter -= 1;),
    };
    if *reversed {
        let behind = if *inclusive { emit!(#end + 1) } else { end.clone() };
        let steps = emit! {
            let start = #start;
            let mut counter = #behind;
            while counter > start {
                #step
                let #variable = counter;
                { #body }
                continue;
            }
        };
        return around(&steps, sets);
    }
    let before = if *inclusive { emit!(<=) } else { emit!(<) };
    let steps = emit! {
        let mut counter = #start;
        let end = #end;
        while counter #before end {
            let #variable = counter;
            #step
            { #body }
            continue;
        }
    };
    around(&steps, sets)
}

/// The numbers of a range between literals, in order: of whatever type they get.
fn written_out(range: &Range) -> Option<Vec<Literal>> {
    let literal = |tokens: &TokenStream| {
        let literal: LitInt = syn::parse2(tokens.clone()).ok()?;
        let number: i64 = literal.base10_parse().ok()?;
        literal.suffix().is_empty().then_some(number)
    };
    let (start, end) = (literal(&range.start)?, literal(&range.end)?);
    let end = if range.inclusive { end.checked_add(1)? } else { end };
    let step = match &range.step {
        Some(step) => usize::try_from(literal(step)?).ok().filter(|&step| step > 0)?,
        None => 1,
    };
    if end <= start || end - start > MOST_WRITTEN {
        return None;
    }
    let mut numbers: Vec<Literal> = (start..end).step_by(step).map(Literal::i64_unsuffixed).collect();
    if range.reversed {
        numbers.reverse();
    }
    Some(numbers)
}

/// A loop over an array of numbers.
pub fn over_array(
    variable: &Ident,
    array: &TokenStream,
    body: &TokenStream,
    sets: &[Ident],
    settles: bool,
) -> TokenStream {
    if settles {
        return until_settled(&emit!(#array.len()), body, sets);
    }
    let steps = emit! {
        let array = #array;
        let mut counter = 0usize;
        while counter < array.len() {
            let #variable = *#KILN::graph::written::element(&array, counter);
            counter = counter.wrapping_add(1);
            { #body }
            continue;
        }
    };
    around(&steps, sets)
}

/// Rounds that do not ask for their number: an array of numbers takes rustc as long as all the rest of a loop.
fn so_often(count: usize, body: &TokenStream, sets: &[Ident]) -> TokenStream {
    let count = Literal::usize_suffixed(count);
    let steps = emit! {
        let mut counter = 0usize;
        while counter < #count {
            counter = counter.wrapping_add(1);
            { #body }
            continue;
        }
    };
    around(&steps, sets)
}

/// Rounds that do not depend on their number, over types: once one leaves all types as they were, so does each other.
fn until_settled(count: &TokenStream, body: &TokenStream, sets: &[Ident]) -> TokenStream {
    let steps = emit! {
        let mut counter = 0usize;
        while counter < #count {
            let before = [#(#sets),*];
            { #body }
            counter = #KILN::graph::written::next_round(counter, &before, &[#(#sets),*]);
            continue;
        }
    };
    around(&steps, sets)
}

/// Whether a name stands in tokens.
pub fn names(tokens: &TokenStream, name: &Ident) -> bool {
    let is_name = |token| match token {
        TokenTree::Ident(found) => found == *name,
        TokenTree::Group(group) => names(&group.stream(), name),
        TokenTree::Punct(_) | TokenTree::Literal(_) => false,
    };
    tokens.clone().into_iter().any(is_name)
}

/// A loop with variables of its own for what it sets, which rustc follows through it and not through the whole body.
fn around(steps: &TokenStream, sets: &[Ident]) -> TokenStream {
    match sets {
        [] => emit!({ #steps }),
        // What is set need not be read behind the loop.
        [name] => emit!(#[allow(unused_assignments)] { #name = { let mut #name = #name; #steps #name }; }),
        names => emit! {
            #[allow(unused_assignments)]
            { (#(#names),*) = { #(let mut #names = #names;)* #steps (#(#names),*) }; }
        },
    }
}
