//! A body without mistakes, as data: every name is resolved, every expression is a tensor, several tensors, or a number
//! that rustc can evaluate. It is expanded twice: to the computation, and to the same walk over types. It decides
//! nothing.

use std::cell::Cell;
use std::rc::Rc;

use proc_macro2::{Ident, Span, TokenStream, TokenTree};
use syn::{Member as Name, Visibility};

use crate::ast::{Extents, Node, Parameter, Place, Sequence};
use crate::layers::Method;
use crate::losses;
use crate::methods::{Elements, Function, Kind};
use crate::validate::{Element, Layer, Part};

/// The body of `forward`.
pub struct Forward {
    /// The names of the inputs.
    pub inputs: Vec<Ident>,
    pub body: Block,
}

/// `fn double(x: [N, 10]) -> [N, 10] { .. }`
pub struct Helper {
    /// Who may call it on a model that it holds; inherited where only the model itself does.
    pub visibility: Visibility,
    pub name: Ident,
    pub parameters: Vec<Parameter>,
    /// How many values it gives.
    pub results: usize,
    /// The results' types, if they are declared.
    pub declared: Option<Vec<Extents>>,
    pub body: Block,
    /// Whether anything calls it, or others may.
    pub called: bool,
}

/// Statements, and the value behind them.
pub struct Block {
    pub statements: Vec<Statement>,
    pub value: Option<Value>,
    /// The word `no_grad` where it is one: its value lets no gradient pass.
    pub cuts: Option<Span>,
    /// Whether it is an `eval`: layers in it behave as in evaluation.
    pub evaluates: bool,
}

/// One statement.
pub enum Statement {
    /// `let name = value;`, or with a name that is there already `name = value;`.
    Set {
        declares: bool,
        name: Ident,
        value: Value,
        /// What the name of a number holds beside it, if it is read.
        rounded: Option<Rounded>,
    },
    /// `let (a, b) = value;` or `(a, b) = value;`: a name for each, none for `_`.
    Unpack {
        declares: bool,
        names: Vec<Option<Ident>>,
        value: Value,
        /// Whether they let no gradient pass.
        cuts: bool,
    },
    /// `for variable in source { .. }`, with a variable that is a number.
    For {
        variable: Ident,
        source: Source,
        body: Block,
        /// The tensors of around it that it sets.
        sets: Vec<Ident>,
    },
    If(If),
    Block(Block),
    /// `optimizer.minimize(loss)`, of the optimizer with this number.
    Minimize {
        optimizer: usize,
        loss: Tensor,
        /// The loss as the user wrote it.
        text: String,
        place: Place,
    },
    Transfer(Box<Transfer>),
    Take(Box<Take>),
    /// A list of tensors, which loops may fill.
    List {
        name: Ident,
        change: Change,
    },
}

/// What rustc finds of the quotients in the number that a name stands for, for where the name stands beside tensors.
pub struct Rounded {
    /// The variable that holds it.
    pub name: Ident,
    /// That of each quotient.
    pub found: Vec<TokenStream>,
}

/// `center.copy_from(x.mean(0))`, or `center.lerp_from(x.mean(0), 0.1)`: a parameter of the model takes a value.
pub struct Take {
    /// The parameter.
    pub target: Tensor,
    /// As the user wrote it.
    pub text: String,
    pub value: Tensor,
    /// How far it goes; without it all the way.
    pub rate: Option<Value>,
    pub place: Place,
}

/// What becomes of a list of tensors.
pub enum Change {
    /// `let list = [a, b];`
    New(Vec<Tensor>, Place),
    /// `let list = [a; 3];`
    Repeated(Tensor, TokenStream, Place),
    /// `list.push(a);`
    Push(Tensor, Place),
    /// `list[i] = a;`
    Put(TokenStream, Tensor, Place),
}

/// `target.copy_from(source)`, or `target.lerp_from(source, rate)`, between parts of the model.
pub struct Transfer {
    pub target: Part,
    pub source: Part,
    /// How far it goes; without it all the way.
    pub rate: Option<Value>,
    pub place: Place,
}

/// What a loop runs over.
pub enum Source {
    Range(Range),
    /// An array of numbers.
    Array(TokenStream),
}

/// `start..end`, `start..=end`, either backwards, and `(start..end).step_by(step)`.
pub struct Range {
    pub start: TokenStream,
    pub end: TokenStream,
    pub inclusive: bool,
    pub reversed: bool,
    /// Of each so many numbers there is one; never backwards.
    pub step: Option<TokenStream>,
    /// Whether an end alone says of what type its numbers are: a constant, and not literals or variables.
    pub typed: bool,
}

/// `if condition { .. } else { .. }`; rustc knows the condition.
pub struct If {
    pub condition: TokenStream,
    pub then: Block,
    pub otherwise: Option<Block>,
}

/// What an expression gives.
pub enum Value {
    /// A tensor; or, where several are taken, what gives them.
    Tensor(Tensor),
    /// An expression that rustc evaluates while it compiles.
    Number(TokenStream),
    /// `(a, b)`
    Tuple(Vec<Tensor>),
}

/// An expression whose value is a tensor, or several where as many are taken.
pub enum Tensor {
    Variable(Ident),
    /// A parameter of a layer, or one that the model declares by itself.
    Parameter(Box<LayerParameter>),
    /// A function of the table, or an operator.
    Call(Box<Call>),
    Apply(Box<Apply>),
    /// A function that the model declares.
    Helper {
        /// Its place among them.
        helper: usize,
        arguments: Vec<Value>,
        place: Place,
    },
    /// The model itself, as a whole: `self(x)`.
    Whole {
        /// The inputs, each with its name.
        inputs: Vec<(String, Tensor)>,
        place: Place,
    },
    If(Box<If>),
    Block(Box<Block>),
    Loss(Box<Loss>),
    Gradient(Box<Gradient>),
    Inside(Box<Inside>),
    Number(Box<Number>),
    /// `list[i]`
    Element {
        list: Ident,
        index: TokenStream,
        place: Place,
    },
}

/// A number as a tensor without axes.
pub struct Number {
    pub number: TokenStream,
    pub holds: Holds,
    pub place: Place,
}

/// What the elements of such a tensor are.
pub enum Holds {
    Known(Element),
    /// A whole number is what it meets first, as in PyTorch; f32 where that is not certain.
    Met(Rc<Cell<Option<Element>>>),
    /// It may be an array: its type says what it is.
    Constant,
    /// What the input of a model takes that has this place among them.
    Input(Access, usize),
}

/// Something of a model that was declared elsewhere: a parameter, `encoder.fc.weight`, or what a function gives,
/// `encoder.embed(x)`.
pub struct Inside {
    /// The way to the model,
    pub model: Access,
    /// and from there.
    pub way: Vec<Step>,
    /// The function that is called there.
    pub call: Option<Called>,
    pub place: Place,
}

/// A function of a model that was declared elsewhere, and what it is given.
pub struct Called {
    pub function: Ident,
    /// The places in lists on the way to what is called, so many, and then the arguments.
    pub given: Vec<(Value, Place)>,
    pub places: usize,
    /// What is written of each of these that is a number.
    pub numbers: Vec<Option<GivenNumber>>,
    /// The parentheses around it.
    pub parentheses: Span,
}

/// What is known of a number that a function of another model is given, of whatever type that takes it.
pub struct GivenNumber {
    /// Whether it is a whole number that is written, an `i128` here.
    pub is_whole: bool,
    /// What rustc is to find of the quotients in it.
    pub quotients: Vec<TokenStream>,
}

/// `fc.weight`, or `scale`, a parameter by itself, whose name is empty.
pub struct LayerParameter {
    pub layer: Access,
    pub name: &'static str,
    pub place: Place,
}

/// `mse(input, target, reduction = "sum")`
pub struct Loss {
    pub loss: &'static losses::Known,
    /// The first one is a tensor; a number stands for a tensor of its shape that holds it everywhere.
    pub operands: Vec<Value>,
    /// The values of its options, in the order of the table.
    pub options: Vec<Option<losses::Setting>>,
    /// The expression as the user wrote it, for the message.
    pub text: String,
    pub place: Place,
}

/// `grad(loss, x)`
pub struct Gradient {
    pub loss: Tensor,
    /// The name of the value in which the gradient is taken.
    pub of: Ident,
    /// The loss as the user wrote it.
    pub text: String,
    /// The place of the loss.
    pub place: Place,
}

/// A function of the table with an argument for each of its parameters.
pub struct Call {
    pub function: &'static Function,
    /// Where its name or operator stands.
    pub name: Span,
    pub arguments: Vec<Argument>,
    /// The expression as the user wrote it, for the message.
    pub text: String,
    pub place: Place,
}

impl Call {
    /// Of each number that has a say in the elements of the result: whether it is of a type with fractions, where the text
    /// alone says so.
    pub fn numbers(&self) -> impl Iterator<Item = Option<bool>> {
        let arguments = self.arguments.iter().zip(self.function.parameters);
        arguments.filter_map(|(argument, parameter)| match (argument, parameter.kind) {
            (Argument::Number(number), _) => Some(number.is_float),
            (Argument::Attribute(Attribute { fixed: Some(text), .. }), Kind::Scalar | Kind::OptionalScalar) => {
                (text != "None").then(|| Some(text.contains(['.', 'e'])))
            }
            _ => None,
        })
    }

    /// Whether there is such a number.
    pub fn has_number(&self) -> bool {
        self.numbers().next().is_some()
    }

    /// What a tensor may hold that takes such elements here: beside a number masks are whole numbers, and these have no
    /// powers below 0.
    pub fn taken(&self, elements: Elements) -> Elements {
        let is_below = |argument: &Argument| match argument {
            Argument::Attribute(Attribute { fixed: Some(text), .. }) => {
                text.starts_with('-') && !text.contains(['.', 'e'])
            }
            _ => false,
        };
        if self.function.name == "pow" && self.arguments.iter().any(is_below) {
            return Elements::Float;
        }
        if elements == Elements::Alike && self.has_number() { Elements::Compared } else { elements }
    }
}

pub enum Argument {
    Tensor(Tensor),
    /// A number in the place of a tensor.
    Number(Scalar),
    Tensors(Vec<Tensor>),
    /// All tensors of a list.
    List(Ident),
    Attribute(Attribute),
}

/// A number beside tensors. One of a type that has fractions makes f32 of whole numbers.
pub struct Scalar {
    pub tokens: TokenStream,
    /// Whether it is of such a type, where the text alone says so.
    pub is_float: Option<bool>,
    /// Statements that fail, over types, where Rust rounds a quotient in it.
    pub quotients: TokenStream,
}

impl Scalar {
    /// A number that is written so, if it is not known of which type: an extent is whole whatever holds it.
    pub fn new(tokens: TokenStream, known: Option<bool>, quotients: TokenStream) -> Scalar {
        let is_float = known.or_else(|| is_float(tokens.clone()));
        Scalar { tokens, is_float, quotients }
    }
}

/// Whether a literal has a fraction, which may be 0.
fn is_float(tokens: TokenStream) -> Option<bool> {
    let mut tokens = tokens.into_iter();
    let is_float = match tokens.next()? {
        TokenTree::Literal(literal) => match syn::Lit::new(literal) {
            syn::Lit::Float(_) => Some(true),
            syn::Lit::Int(number) => Some(number.suffix().starts_with('f')),
            _ => None,
        },
        TokenTree::Group(group) => is_float(group.stream()),
        TokenTree::Punct(punct) if punct.as_char() == '-' => return is_float(tokens.collect()),
        _ => None,
    };
    is_float.filter(|_| tokens.next().is_none())
}

/// An attribute, as the rule and the builder take it.
pub struct Attribute {
    pub tokens: TokenStream,
    /// Its text, if that alone says what it is: nothing in it but literals, and `N`.
    pub fixed: Option<String>,
}

impl Argument {
    /// The tensors in it.
    pub fn tensors(&self) -> &[Tensor] {
        match self {
            Argument::Tensor(tensor) => std::slice::from_ref(tensor),
            Argument::Tensors(tensors) => tensors,
            Argument::List(_) | Argument::Number(_) | Argument::Attribute(_) => &[],
        }
    }
}

impl Change {
    /// The tensors that the list takes.
    pub fn tensors(&self) -> &[Tensor] {
        match self {
            Change::New(tensors, _) => tensors,
            Change::Repeated(tensor, ..) | Change::Push(tensor, _) | Change::Put(_, tensor, _) => {
                std::slice::from_ref(tensor)
            }
        }
    }

    /// Whether it is a new list.
    pub fn declares(&self) -> bool {
        matches!(self, Change::New(..) | Change::Repeated(..))
    }
}

/// A layer applied to tensors.
pub struct Apply {
    pub layer: Access,
    /// What of it is asked for, if it is not what it is for.
    pub method: Option<&'static Method>,
    /// One for each input of the layer; none that is left out.
    pub inputs: Vec<Option<Tensor>>,
    /// The flags of a layer that has some.
    pub flags: Vec<TokenStream>,
    pub place: Place,
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

impl Block {
    /// Calls `f` with each statement, those of blocks within statements and expressions too.
    pub fn each_statement(&self, f: &mut impl FnMut(&Statement)) {
        self.each(f, &mut |_| ());
    }

    /// Calls `f` with each tensor, those within others and within blocks too.
    pub fn each_tensor(&self, f: &mut impl FnMut(&Tensor)) {
        self.each(&mut |_| (), f);
    }

    fn each(&self, f: &mut impl FnMut(&Statement), of_tensor: &mut impl FnMut(&Tensor)) {
        let mut waiting = vec![Piece::Block(self)];
        while let Some(part) = waiting.pop() {
            match part {
                Piece::Block(Block { statements, value, .. }) => {
                    for statement in statements {
                        f(statement);
                        match statement {
                            Statement::Set { value, .. } | Statement::Unpack { value, .. } => {
                                waiting.push(Piece::Value(value));
                            }
                            Statement::For { body, .. } | Statement::Block(body) => waiting.push(Piece::Block(body)),
                            Statement::If(choice) => waiting.extend(choice.sides()),
                            Statement::Minimize { loss, .. } => waiting.push(Piece::Tensor(loss)),
                            Statement::List { change, .. } => {
                                waiting.extend(change.tensors().iter().map(Piece::Tensor))
                            }
                            Statement::Take(take) => {
                                waiting.extend([&take.target, &take.value].map(Piece::Tensor));
                                waiting.extend(take.rate.as_ref().map(Piece::Value));
                            }
                            Statement::Transfer(transfer) => waiting.extend(transfer.rate.as_ref().map(Piece::Value)),
                        }
                    }
                    waiting.extend(value.as_ref().map(Piece::Value));
                }
                Piece::Value(Value::Tensor(tensor)) => waiting.push(Piece::Tensor(tensor)),
                Piece::Value(Value::Tuple(tensors)) => waiting.extend(tensors.iter().map(Piece::Tensor)),
                Piece::Value(Value::Number(_)) => {}
                Piece::Tensor(tensor) => {
                    of_tensor(tensor);
                    waiting.extend(tensor.parts());
                }
            }
        }
    }
}

/// What a body is made of.
enum Piece<'a> {
    Block(&'a Block),
    Value(&'a Value),
    Tensor(&'a Tensor),
}

impl If {
    fn sides(&self) -> impl Iterator<Item = Piece<'_>> {
        [&self.then].into_iter().chain(&self.otherwise).map(Piece::Block)
    }
}

impl Tensor {
    fn parts(&self) -> Vec<Piece<'_>> {
        match self {
            Tensor::Variable(_) | Tensor::Parameter(_) | Tensor::Element { .. } | Tensor::Number(_) => Vec::new(),
            Tensor::Call(call) => call.arguments.iter().flat_map(Argument::tensors).map(Piece::Tensor).collect(),
            Tensor::Apply(apply) => apply.inputs.iter().flatten().map(Piece::Tensor).collect(),
            Tensor::Helper { arguments, .. } => arguments.iter().map(Piece::Value).collect(),
            Tensor::Whole { inputs, .. } => inputs.iter().map(|(_, tensor)| Piece::Tensor(tensor)).collect(),
            Tensor::If(choice) => choice.sides().collect(),
            Tensor::Block(block) => vec![Piece::Block(block)],
            Tensor::Loss(loss) => {
                let options = loss.options.iter().flatten().filter_map(|setting| match setting {
                    losses::Setting::Tensor(tensor) => Some(Piece::Tensor(tensor)),
                    _ => None,
                });
                loss.operands.iter().map(Piece::Value).chain(options).collect()
            }
            Tensor::Gradient(gradient) => vec![Piece::Tensor(&gradient.loss)],
            Tensor::Inside(inside) => {
                let given = inside.call.iter().flat_map(|called| &called.given);
                given.map(|(value, _)| Piece::Value(value)).collect()
            }
        }
    }
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
    body.find(name).map(|member| &member.node)
}
