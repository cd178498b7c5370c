//! A `forward` without mistakes, as data: every name is resolved, every expression is a tensor or a number that rustc
//! can evaluate. It is expanded twice: to the computation, and to the same walk over shapes.

use proc_macro2::{Ident, TokenStream};
use syn::Member as Name;

use crate::ast::{Node, Place, Sequence};
use crate::validate::Layer;

/// The body of `forward`.
pub struct Forward {
    /// The name of the input.
    pub input: Ident,
    pub body: Block,
    /// The fields that it never applies.
    pub unused: Vec<Ident>,
}

/// Statements, and the value behind them.
pub struct Block {
    pub statements: Vec<Statement>,
    pub value: Option<Value>,
}

/// One statement.
pub enum Statement {
    /// `let name = value;`, or with a name that is there already `name = value;`.
    Set {
        declares: bool,
        name: Ident,
        value: Value,
    },
    /// `for variable in range { .. }`, with a variable that is a whole number.
    For {
        variable: Ident,
        range: Range,
        body: Block,
    },
    If(If),
}

/// `start..end`, `start..=end`, and either backwards.
pub struct Range {
    pub start: TokenStream,
    pub end: TokenStream,
    pub inclusive: bool,
    pub reversed: bool,
}

/// `if condition { .. } else { .. }`; rustc knows the condition.
pub struct If {
    pub condition: TokenStream,
    pub then: Block,
    pub otherwise: Option<Block>,
}

/// What an expression gives.
pub enum Value {
    Tensor(Tensor),
    /// An expression that rustc evaluates while it compiles.
    Number(TokenStream),
}

/// An expression whose value is a tensor.
pub enum Tensor {
    Variable(Ident),
    /// A method that leaves the shape as it is.
    Elementwise {
        of: Box<Tensor>,
        method: Ident,
    },
    Binary(Box<Binary>),
    Apply {
        layer: Access,
        input: Box<Tensor>,
        place: Place,
    },
    If(Box<If>),
    Block(Box<Block>),
}

/// `left operator right`, at least one of them a tensor.
pub struct Binary {
    pub left: Value,
    pub operator: Operator,
    pub right: Value,
    /// The expression as the user wrote it, for the message.
    pub text: String,
    pub place: Place,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operator {
    Add,
    Sub,
    Mul,
    Div,
}

impl Operator {
    /// The name of the operation and of the method of its trait.
    pub fn name(self) -> &'static str {
        match self {
            Operator::Add => "add",
            Operator::Sub => "sub",
            Operator::Mul => "mul",
            Operator::Div => "div",
        }
    }
}

/// The way from the model to a layer: `linears[i / 2]`, `head.out`.
#[derive(Clone)]
pub struct Access {
    pub steps: Vec<Step>,
}

#[derive(Clone)]
pub enum Step {
    Member(Name),
    /// The index, its place, and whether it is within the bounds by construction.
    Index {
        index: TokenStream,
        place: Place,
        certain: bool,
    },
}

impl Access {
    /// What stands there; the first step is a member of the model.
    pub fn find<'a>(&self, body: &'a Sequence<Layer>) -> Option<&'a Node<Layer>> {
        let (first, rest) = self.steps.split_first()?;
        let Step::Member(name) = first else { return None };
        rest.iter().try_fold(member(body, name)?, |node, step| match (node, step) {
            (Node::Sequence(inner), Step::Member(name)) => member(inner, name),
            (Node::List { element, .. }, Step::Index { .. }) => Some(&**element),
            (Node::Layer(_) | Node::List { .. }, Step::Member(_)) => None,
            (Node::Layer(_) | Node::Sequence(_), Step::Index { .. }) => None,
        })
    }

    /// One step further.
    pub fn then(mut self, step: Step) -> Access {
        self.steps.push(step);
        self
    }
}

fn member<'a>(body: &'a Sequence<Layer>, name: &Name) -> Option<&'a Node<Layer>> {
    body.members.iter().find(|member| same(&member.name, name)).map(|member| &member.node)
}

/// Whether two members have the same name, wherever they stand.
fn same(left: &Name, right: &Name) -> bool {
    match (left, right) {
        (Name::Named(left), Name::Named(right)) => left == right,
        (Name::Unnamed(left), Name::Unnamed(right)) => left.index == right.index,
        (Name::Named(_), Name::Unnamed(_)) | (Name::Unnamed(_), Name::Named(_)) => false,
    }
}
