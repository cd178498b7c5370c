//! Names and what they stand for: `let`, assignments, and which names may be given another value. What stands to the
//! right of an assignment is for `expressions.rs` to read.

use std::rc::Rc;

use proc_macro2::{Ident, Literal, Span, TokenStream, TokenTree};
use quote::quote;
use syn::{Expr, ExprLit, ExprUnary, Lit, Pat, Stmt, UnOp};

use super::certain::Element;
use super::expressions::unparenthesized;
use super::fractions::NumberName;
use super::numbers::whole;
use super::scope::{Binding, Scope};
use crate::ast::Place;
use crate::body::{Argument, Call, Holds, Number, Statement, Tensor, Value};
use crate::expand::segment;
use crate::free::Origin;
use crate::methods::Function;
use crate::mistakes::spaced;

impl Scope<'_> {
    /// `let name = value;`
    pub fn declare(&mut self, local: &syn::Local) -> Option<Statement> {
        if let Some(list) = self.new_list(local) {
            return list;
        }
        let value = match &local.init {
            Some(init) if init.diverge.is_none() => self.values(&init.expr),
            _ => self.mistake(local, "expected a value: `let NAME = ..;`"),
        };
        let origin = local.init.as_ref().map_or(Origin::Constant, |init| self.origin(&init.expr));
        let value = match value {
            Some(Value::Number(number)) if self.tensors.contains(&std::ptr::from_ref(local)) => {
                let init = &local.init.as_ref()?.expr;
                // A name that is wrong is a name: it is declared below.
                self.checked(number, init).map(|number| Value::Tensor(number_as_tensor(number, init, None)))
            }
            value => value,
        };
        let name = match &local.pat {
            Pat::Ident(pattern) => pattern.ident.clone(),
            Pat::Tuple(pattern) => return self.unpack_new(local, pattern, value),
            other => {
                let message = match other {
                    Pat::Type(_) => "names have no types here, as their values say what they are: `let NAME = ..;`",
                    _ => "expected one name or several in parentheses: `let NAME = ..;`",
                };
                self.declare_unknown(other);
                return self.mistake(other, message);
            }
        };
        let binding = match &value {
            Some(Value::Number(_)) => Binding::Number,
            Some(value) => {
                let message = format!("`{name}` is a name for");
                match self.gives(value, 1, local.init.as_ref().map(|init| &init.expr), &message) {
                    Some(()) => Binding::Tensor,
                    None => Binding::Unknown,
                }
            }
            None => Binding::Unknown,
        };
        let mut rounded = None;
        if let (Binding::Number, Some(init)) = (&binding, &local.init) {
            rounded = self.rounded(&name, &init.expr);
            let (has_fraction, has_no_type) = (self.has_fraction(&init.expr), self.has_no_type(&init.expr));
            self.numbers.push(NumberName {
                place: self.names.len(),
                is_of_let: true,
                rounded: rounded.as_ref().map(|rounded| rounded.name.clone()),
                has_fraction: (has_fraction || whole(&init.expr).is_some()).then_some(has_fraction),
                has_no_type,
            });
        }
        self.names.declare(&name.to_string(), binding);
        self.extents.push((name.to_string(), origin));
        Some(Statement::Set { declares: true, name, value: value?, rounded })
    }

    /// The names of a pattern that is wrong, so that nothing more is said of them.
    fn declare_unknown(&mut self, pattern: &Pat) {
        match pattern {
            Pat::Ident(name) => self.names.declare(&name.ident.to_string(), Binding::Unknown),
            Pat::Type(typed) => self.declare_unknown(&typed.pat),
            Pat::Slice(slice) => slice.elems.iter().for_each(|element| self.declare_unknown(element)),
            _ => {}
        }
    }

    /// `let (a, b) = value;`
    fn unpack_new(&mut self, local: &syn::Local, pattern: &syn::PatTuple, value: Option<Value>) -> Option<Statement> {
        let parts = self.parts_of(value.as_ref());
        let mut names = Vec::new();
        for (position, element) in pattern.elems.iter().enumerate() {
            let count = parts.get(position).copied().unwrap_or(1);
            match element {
                Pat::Ident(name) if count == 1 => names.push(Some(name.ident.clone())),
                Pat::Wild(_) => names.extend(vec![None; count]),
                Pat::Tuple(inner) if count > 1 && inner.elems.len() == count => {
                    for element in &inner.elems {
                        names.push(match element {
                            Pat::Ident(name) => Some(name.ident.clone()),
                            Pat::Wild(_) => None,
                            other => return self.mistake(other, "expected a name: `let (a, (b, c)) = ..;`"),
                        });
                    }
                }
                other if count > 1 => {
                    for name in &pattern.elems {
                        if let Pat::Ident(name) = name {
                            self.names.declare(&name.ident.to_string(), Binding::Unknown);
                        }
                    }
                    return self.mistake(other, format!("this is for {count} tensors: write `(h, c)`, or `_`"));
                }
                other => return self.mistake(other, "expected a name: `let (a, b) = ..;`"),
            }
        }
        let fits = value.as_ref().and_then(|value| self.gives(value, names.len(), local, "these are names for"));
        for name in names.iter().flatten() {
            let binding = if fits.is_some() { Binding::Tensor } else { Binding::Unknown };
            self.names.declare(&name.to_string(), binding);
        }
        Some(Statement::Unpack { declares: true, names, value: value?, cuts: false })
    }

    /// `(a, b) = value`
    pub fn unpack(&mut self, left: &syn::ExprTuple, assign: &syn::ExprAssign) -> Option<Statement> {
        let value = self.values(&assign.right);
        let mut names = Vec::new();
        let parts = self.parts_of(value.as_ref());
        for (position, element) in left.elems.iter().enumerate() {
            let count = parts.get(position).copied().unwrap_or(1);
            match element {
                Expr::Infer(_) => names.extend(vec![None; count]),
                Expr::Tuple(inner) if count > 1 && inner.elems.len() == count => {
                    for element in &inner.elems {
                        names.push(match element {
                            Expr::Infer(_) => None,
                            other => Some(self.assignable(other, true)?),
                        });
                    }
                }
                other if count > 1 => {
                    return self.mistake(other, format!("this is for {count} tensors: write `(h, c)`, or `_`"));
                }
                other => names.push(Some(self.assignable(other, true)?)),
            }
        }
        let value = value?;
        self.gives(&value, names.len(), assign, "these are names for")?;
        let cuts = names.iter().flatten().any(|name| self.leaves_cut(name));
        Some(Statement::Unpack { declares: false, names, value, cuts })
    }

    /// `name = value`, of which a number is written so.
    pub fn assign(&mut self, target: &Expr, value: Value, number: Option<&Expr>) -> Option<Statement> {
        if let Expr::Index(index) = target
            && let Some(list) = self.list_of(&index.expr)
        {
            return self.put(&list, index, value);
        }
        let name = self.assignable(target, matches!(value, Value::Tensor(_)))?;
        let value = match value {
            Value::Tensor(tensor) if self.leaves_cut(&name) => {
                Value::Tensor(detached(tensor, name.span(), "", Place::of(target)))
            }
            other => other,
        };
        if let (Value::Number(_), Some(number), Some(false)) =
            (&value, number, self.number_name(&name).and_then(|known| known.has_fraction))
            && self.has_fraction(number)
        {
            let message = format!(
                "`{name}` is a whole number from the start, and `{}` has a fraction: begin with one, as in `let mut {name} = \
                 0.0;`",
                spaced(number)
            );
            return self.mistake(number, message);
        }
        let rounded = number.filter(|_| matches!(value, Value::Number(_))).and_then(|of| self.now_rounded(target, of));
        Some(Statement::Set { declares: false, name, value, rounded })
    }

    /// The name in scope that can be given another tensor, or another number.
    fn assignable(&mut self, target: &Expr, tensor: bool) -> Option<Ident> {
        let name = match target {
            Expr::Path(path) => path.path.get_ident(),
            _ => None,
        };
        let Some(name) = name else {
            let message = match target {
                Expr::Index(index) => {
                    let tensor = spaced(&index.expr);
                    let message = format!(
                        "`{tensor}` is a tensor, and values are immutable: elements are put into a list, `let mut {tensor} = \
                         vec![];`, `{tensor}.push(x);`, and together by `stack({tensor}, dim = 1)`"
                    );
                    return self.mistake(target, message);
                }
                Expr::Field(_) => {
                    "values are immutable: only a name can be given a new value, as in `x = ..`; a parameter takes that of \
                     another in a `step`, `target.copy_from(source);`, `target.lerp_from(source, 0.005);`"
                }
                _ => "values are immutable: only a name can be given a new value, as in `x = ..`",
            };
            return self.mistake(target, message);
        };
        let message = match self.find(name) {
            Some(Binding::Tensor) if tensor => return Some(name.clone()),
            Some(Binding::Number) if !tensor => return Some(name.clone()),
            // It is a tensor from the start: its `let` is read again.
            Some(Binding::Number) if self.is_of_let(name) => {
                self.becomes_tensor = self.names.find(&name.to_string());
                return Some(name.clone());
            }
            Some(Binding::List) => return self.list_takes_no_value(name),
            Some(Binding::Tensor) => format!("`{name}` is a tensor and can not become a number; use another name"),
            Some(Binding::Number) => format!("`{name}` is a number and can not become a tensor; use another name"),
            Some(Binding::Layer(_)) => format!("`{name}` is a layer, and can not be given a value"),
            Some(Binding::Optimizer(_)) => format!("`{name}` is an optimizer, and can not be given a value"),
            Some(Binding::Unknown) => return None,
            None if name != "self" && self.layers.members.iter().all(|member| *name != segment(&member.name)) => {
                // Nothing more is said of it.
                self.names.declare(&name.to_string(), Binding::Unknown);
                format!("`{name}` is not in scope: a new name is declared by `let {name} = ..;`")
            }
            None => return self.not_in_scope(name),
        };
        self.mistake(name, message)
    }

    /// Whether a name of a number is from a `let`, and no parameter or counter.
    fn is_of_let(&self, name: &Ident) -> bool {
        self.number_name(name).is_some_and(|known| known.is_of_let)
    }
}

/// The statements with `let (a, b) = (0.0, vec![]);` as a `let` for each name, where one is given no tensor.
pub fn one_by_one(statements: &[Stmt]) -> Option<Vec<Stmt>> {
    let parts = |statement: &Stmt| -> Option<Vec<Stmt>> {
        let Stmt::Local(local) = statement else { return None };
        let (Pat::Tuple(names), Some(init)) = (&local.pat, &local.init) else { return None };
        let Expr::Tuple(values) = unparenthesized(&init.expr) else { return None };
        let is_plain = |name: &Pat| match name {
            Pat::Ident(name) => name.by_ref.is_none() && name.subpat.is_none(),
            name => matches!(name, Pat::Wild(_)),
        };
        // Of several names each value was computed before any of them is given.
        let reads = |value: &Expr| {
            names
                .elems
                .iter()
                .any(|name| matches!(name, Pat::Ident(name) if has_word(quote!(#value), &name.ident.to_string())))
        };
        if !names.elems.iter().all(is_plain) {
            return None;
        }
        if names.elems.len() != values.elems.len()
            || !values.elems.iter().any(is_no_tensor)
            || values.elems.iter().skip(1).any(reads)
        {
            return None;
        }
        let each = names.elems.iter().zip(&values.elems);
        let each = each.filter(|(name, value)| !(matches!(name, Pat::Wild(_)) && is_no_tensor(value)));
        Some(each.map(|(name, value)| syn::parse_quote!(let #name = #value;)).collect())
    };
    if !statements.iter().any(|statement| parts(statement).is_some()) {
        return None;
    }
    Some(statements.iter().flat_map(|statement| parts(statement).unwrap_or_else(|| vec![statement.clone()])).collect())
}

fn has_word(tokens: TokenStream, word: &str) -> bool {
    tokens.into_iter().any(|token| match token {
        TokenTree::Group(group) => has_word(group.stream(), word),
        other => other.to_string() == word,
    })
}

/// Whether an expression is plainly a number, or a list of tensors.
fn is_no_tensor(value: &Expr) -> bool {
    match unparenthesized(value) {
        Expr::Lit(_) | Expr::Cast(_) | Expr::Array(_) | Expr::Repeat(_) => true,
        Expr::Macro(call) => call.mac.path.is_ident("vec"),
        Expr::Unary(unary) => is_no_tensor(&unary.expr),
        Expr::Binary(binary) => is_no_tensor(&binary.left) && is_no_tensor(&binary.right),
        Expr::Path(path) => {
            let last = path.path.segments.last().map(|last| last.ident.to_string()).unwrap_or_default();
            last.len() > 1 && last.chars().all(|letter| !letter.is_lowercase())
        }
        Expr::MethodCall(call) => is_no_tensor(&call.receiver) || call.method == "size",
        _ => false,
    }
}

/// A number as a tensor without axes: of the elements that are taken, or else of those that are written. A whole number
/// may become either.
pub fn number_as_tensor(number: TokenStream, written: &Expr, taken: Option<Holds>) -> Tensor {
    let (number, holds) = match unparenthesized(written) {
        Expr::Lit(ExprLit { lit: Lit::Bool(flag), .. }) => {
            let number = Literal::u8_unsuffixed(u8::from(flag.value));
            (quote!(#number), Holds::Known(Element::Bool))
        }
        written if is_whole(written) => (number, Holds::Met(Rc::default())),
        _ => (number, Holds::Known(Element::F32)),
    };
    Tensor::Number(Box::new(Number { number, holds: taken.unwrap_or(holds), place: Place::of(written) }))
}

/// `3`, or `-3`
fn is_whole(value: &Expr) -> bool {
    match unparenthesized(value) {
        Expr::Lit(ExprLit { lit: Lit::Int(_), .. }) => true,
        Expr::Unary(ExprUnary { op: UnOp::Neg(_), expr, .. }) => is_whole(expr),
        _ => false,
    }
}

/// `tensor.detach()`
pub fn detached(tensor: Tensor, name: Span, text: &str, place: Place) -> Tensor {
    let function = Function::find("detach").expect("a row of the table");
    let (arguments, text) = (vec![Argument::Tensor(tensor)], text.to_string());
    Tensor::Call(Box::new(Call { function, name, arguments, text, place }))
}
