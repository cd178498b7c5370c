//! Parsing graphs: a recursive descent over the tokens collects the statements, then names become ids. Forward
//! references and ill-typed nodes pass the syntax; the verifier refuses them. What attributes an operation has is
//! `op/table.rs`'s to say.

use std::collections::HashMap;
use std::ops::RangeInclusive;

use super::lex::{Kind, Token, lex};
use super::{Place, Position};
use crate::graph::{Graph, Input, Node, NodeId, Operands, Output, Role, Scope, Type, Update};
use crate::op::Op;
use crate::op::table::{Attributes, attributes};
use crate::shape::{DType, MAX_RANK, Shape};
use crate::verify::{Reason, has_size, verify};

/// Why a text is no graph, and where.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("{position}: {problem}")]
pub struct ParseError {
    /// Where the text goes wrong.
    pub position: Position,
    /// What is wrong.
    pub problem: Problem,
}

/// What is wrong with a text.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum Problem {
    /// Something else should stand here.
    #[error("expected {expected}, found {found}")]
    Unexpected {
        /// What would be right.
        expected: String,
        /// What stands there.
        found: String,
    },
    /// No operation has this name.
    #[error("expected an operation, found `{0}`")]
    UnknownOperation(String),
    /// An operand, an update or an output names a value that the text does not define.
    #[error("expected a value that is defined, found `%{0}`")]
    Undefined(String),
    /// The name of a value is taken.
    #[error("expected a new name, found `%{0}`, which is defined above")]
    DefinedTwice(String),
    /// The syntax is right; the graph breaks an invariant.
    #[error("expected a valid graph, but {0}")]
    Invalid(Reason),
}

/// A graph as its text states it, whether valid or not, and where each part of it stands.
#[derive(Clone, Debug)]
pub struct Source {
    /// The graph, with the types that the text states.
    pub graph: Graph,
    positions: HashMap<Place, Position>,
}

impl Source {
    /// Where the text states the part.
    pub fn position(&self, place: Place) -> Position {
        self.positions.get(&place).copied().unwrap_or(Position { line: 1, column: 1 })
    }
}

/// The valid graph that the text states.
///
/// # Errors
/// If the syntax is wrong, or the graph breaks an invariant of [`verify`].
pub fn parse(text: &str) -> Result<Graph, ParseError> {
    let source = read(text)?;
    match verify(&source.graph) {
        Ok(()) => Ok(source.graph),
        Err(violation) => {
            Err(ParseError { position: source.position(violation.place), problem: Problem::Invalid(violation.reason) })
        }
    }
}

/// The graph that the text states, which may break any invariant that [`parse`] checks.
///
/// # Errors
/// If the syntax is wrong.
pub fn read(text: &str) -> Result<Source, ParseError> {
    let mut parser = Parser { tokens: lex(text)?, next: 0, source: Parsed::default() };
    parser.graph()?;
    if parser.peek().kind != Kind::End {
        return unexpected("the end of the text", parser.peek());
    }
    let Parsed { graph, positions, .. } = parser.source;
    Ok(Source { graph, positions })
}

/// A name of a value, and where it stands.
type Name = (String, Position);

struct Parser {
    tokens: Vec<Token>,
    next: usize,
    source: Parsed,
}

/// What was read of a graph.
struct Parsed {
    graph: Graph,
    positions: HashMap<Place, Position>,
    values: HashMap<String, NodeId>,
    /// The operands of each node, by name.
    operands: Vec<Vec<Name>>,
    /// The scopes by their names.
    scopes: HashMap<String, u32>,
}

impl Default for Parsed {
    fn default() -> Parsed {
        Parsed {
            graph: Graph::new(""),
            positions: HashMap::new(),
            values: HashMap::new(),
            operands: Vec::new(),
            scopes: HashMap::from([(String::new(), 0)]),
        }
    }
}

fn unexpected<T>(expected: impl Into<String>, found: &Token) -> Result<T, ParseError> {
    let problem = Problem::Unexpected { expected: expected.into(), found: found.kind.to_string() };
    Err(ParseError { position: found.position, problem })
}

impl Parser {
    fn peek(&self) -> &Token {
        &self.tokens[self.next]
    }

    /// The next token; the last one, [`Kind::End`], stays.
    fn take(&mut self) -> Token {
        let token = self.peek().clone();
        self.next = (self.next + 1).min(self.tokens.len() - 1);
        token
    }

    fn is_mark(&self, mark: char) -> bool {
        self.peek().kind == Kind::Mark(mark)
    }

    fn is_word(&self, word: &str) -> bool {
        matches!(&self.peek().kind, Kind::Word(text) if text == word)
    }

    fn mark(&mut self, mark: char) -> Result<(), ParseError> {
        if self.is_mark(mark) {
            self.take();
            return Ok(());
        }
        unexpected(format!("`{mark}`"), self.peek())
    }

    fn word(&mut self, expected: &str) -> Result<Name, ParseError> {
        let token = self.take();
        match token.kind {
            Kind::Word(text) => Ok((text, token.position)),
            _ => unexpected(expected, &token),
        }
    }

    fn keyword(&mut self, keyword: &str) -> Result<(), ParseError> {
        if self.is_word(keyword) {
            self.take();
            return Ok(());
        }
        unexpected(format!("`{keyword}`"), self.peek())
    }

    fn value(&mut self, expected: &str) -> Result<Name, ParseError> {
        let token = self.take();
        match token.kind {
            Kind::Value(name) => Ok((name, token.position)),
            _ => unexpected(expected, &token),
        }
    }

    /// Items up to the closing mark, which is taken; a comma after the last one is allowed.
    fn items(
        &mut self,
        close: char,
        mut item: impl FnMut(&mut Parser) -> Result<(), ParseError>,
    ) -> Result<(), ParseError> {
        while !self.is_mark(close) {
            item(self)?;
            if !self.is_mark(',') {
                if !self.is_mark(close) {
                    return unexpected(format!("`,` or `{close}`"), self.peek());
                }
                break;
            }
            self.take();
        }
        self.mark(close)
    }

    fn graph(&mut self) -> Result<(), ParseError> {
        self.source.positions.insert(Place::Header, self.peek().position);
        self.keyword("graph")?;
        let name = self.take();
        self.source.graph.name = match name.kind {
            Kind::Word(text) | Kind::Quoted(text) => text,
            _ => return unexpected("the graph's name", &name),
        };
        self.mark('(')?;
        self.items(')', Parser::input)?;
        self.mark('{')?;
        while self.is_word("graph") {
            self.body()?;
        }
        while matches!(self.peek().kind, Kind::Value(_)) {
            self.node()?;
        }
        self.resolve_operands()?;
        while self.is_word("update") {
            self.update()?;
        }
        self.source.positions.insert(Place::Return, self.peek().position);
        if !self.is_word("return") {
            let expected = if self.source.graph.updates.is_empty() {
                "a node, `update` or `return`"
            } else {
                "`update` or `return`"
            };
            return unexpected(expected, self.peek());
        }
        self.take();
        self.source.positions.insert(Place::End, self.peek().position);
        self.items('}', Parser::output)
    }

    /// A body, whose names are its own.
    fn body(&mut self) -> Result<(), ParseError> {
        let position = self.peek().position;
        let outer = std::mem::take(&mut self.source);
        self.graph()?;
        let body = std::mem::replace(&mut self.source, outer);
        self.source.positions.insert(Place::Body(self.source.graph.bodies.len()), position);
        self.source.graph.bodies.push(body.graph);
        Ok(())
    }

    fn define(&mut self, (name, position): Name, node: Node) -> Result<NodeId, ParseError> {
        let id = self.source.graph.push(node);
        if self.source.values.insert(name.clone(), id).is_some() {
            return Err(ParseError { position, problem: Problem::DefinedTwice(name) });
        }
        Ok(id)
    }

    fn input(&mut self) -> Result<(), ParseError> {
        let position = self.peek().position;
        let (is_state, common) = (self.is_word("state"), self.is_word("common"));
        let role = if is_state { Role::State } else { Role::Data };
        if is_state || common {
            self.take();
        }
        let handle = self.value("an input: `%name: type`")?;
        let mut name = handle.0.clone();
        if let Kind::Quoted(text) = &self.peek().kind {
            name = text.clone();
            self.take();
        }
        self.mark(':')?;
        let ty = self.ty()?;
        let node = self.define(handle, Node { op: Op::Input, inputs: Operands::new(), ty, scope: 0 })?;
        self.source.operands.push(vec![]);
        self.source.positions.insert(Place::Input(self.source.graph.inputs.len()), position);
        self.source.positions.insert(Place::Node(node), position);
        self.source.graph.inputs.push(Input { common, ..Input::new(name, role, node) });
        Ok(())
    }

    fn ty(&mut self) -> Result<Type, ParseError> {
        let dtype = self.dtype()?;
        let position = self.peek().position;
        let extents = self.numbers()?;
        if extents.len() > MAX_RANK {
            let problem = Problem::Unexpected {
                expected: format!("at most {MAX_RANK} extents"),
                found: extents.len().to_string(),
            };
            return Err(ParseError { position, problem });
        }
        Ok(Type { dtype, shape: Shape::new(&extents) })
    }

    fn dtype(&mut self) -> Result<DType, ParseError> {
        let token = self.take();
        match &token.kind {
            Kind::Word(word) => match dtype_of(word) {
                Some(dtype) => Ok(dtype),
                None => unexpected(DTYPES, &token),
            },
            _ => unexpected(DTYPES, &token),
        }
    }

    /// `[2,3]`.
    fn numbers(&mut self) -> Result<Vec<usize>, ParseError> {
        self.mark('[')?;
        let mut numbers = Vec::new();
        self.items(']', |parser| {
            let token = parser.take();
            match &token.kind {
                Kind::Number(text) if text.parse::<usize>().is_ok_and(|number| number != Shape::N) => {
                    numbers.push(text.parse().expect("checked by the guard"));
                    Ok(())
                }
                _ => unexpected("a number", &token),
            }
        })?;
        Ok(numbers)
    }

    fn node(&mut self) -> Result<(), ParseError> {
        let name = self.value("a node: `%name: type = operation`")?;
        let position = name.1;
        self.mark(':')?;
        let ty = self.ty()?;
        self.mark('=')?;
        let (mnemonic, at) = self.word("an operation")?;
        let Some(mut op) = Op::of_mnemonic(&mnemonic) else {
            return Err(ParseError { position: at, problem: Problem::UnknownOperation(mnemonic) });
        };
        let literal = match self.peek().kind {
            Kind::Number(_) | Kind::Word(_) if matches!(op, Op::Constant(_)) => Some(self.take()),
            _ => None,
        };
        let mut operands = Vec::new();
        if matches!(self.peek().kind, Kind::Value(_)) && !self.starts_node() {
            operands.push(self.value("an operand")?);
            while self.is_mark(',') {
                self.take();
                operands.push(self.value("an operand")?);
            }
        }
        // What is missing is missing from the operation, whatever follows.
        let end = Token { position: at, ..self.peek().clone() };
        let mut reader = Reader { literal, named: vec![], end, problem: None };
        if self.is_mark('{') {
            self.take();
            self.items('}', |parser| {
                let name = parser.word("an attribute: `name=value`")?;
                parser.mark('=')?;
                let value = parser.attribute()?;
                reader.named.push((name, value));
                Ok(())
            })?;
        }
        attributes(&mut op, ty.shape.rank(), &mut reader);
        reader.finish(&op)?;
        let scope = self.scope();
        let id = self.define(name, Node { op, inputs: Operands::new(), ty, scope })?;
        self.source.operands.push(operands);
        self.source.positions.insert(Place::Node(id), position);
        Ok(())
    }

    /// Whether a node starts here (and not an operand): `%name:`.
    fn starts_node(&self) -> bool {
        self.tokens.get(self.next + 1).is_some_and(|token| token.kind == Kind::Mark(':'))
    }

    fn attribute(&mut self) -> Result<(Value, Token), ParseError> {
        let token = self.peek().clone();
        let value = match &token.kind {
            Kind::Mark('[') => Value::List(self.numbers()?),
            Kind::Number(_) | Kind::Word(_) => {
                self.take();
                Value::Token
            }
            Kind::Value(_) | Kind::Scope(_) | Kind::Quoted(_) | Kind::Mark(_) | Kind::End => {
                return unexpected("a number, a word or a list", &token);
            }
        };
        Ok((value, token))
    }

    fn scope(&mut self) -> u32 {
        let Kind::Scope(name) = self.peek().kind.clone() else { return 0 };
        self.take();
        let scopes = &mut self.source.graph.scopes;
        *self.source.scopes.entry(name).or_insert_with_key(|name| {
            scopes.push(Scope::of_layer(name.as_str()));
            scopes.len() as u32 - 1
        })
    }

    fn resolve(&self, (name, position): Name) -> Result<NodeId, ParseError> {
        let id = self.source.values.get(&name).copied();
        id.ok_or(ParseError { position, problem: Problem::Undefined(name) })
    }

    fn resolve_operands(&mut self) -> Result<(), ParseError> {
        for (node, operands) in std::mem::take(&mut self.source.operands).into_iter().enumerate() {
            for operand in operands {
                let id = self.resolve(operand)?;
                self.source.graph.nodes[node].inputs.push(id);
            }
        }
        Ok(())
    }

    fn update(&mut self) -> Result<(), ParseError> {
        self.source.positions.insert(Place::Update(self.source.graph.updates.len()), self.peek().position);
        self.keyword("update")?;
        let state = self.value("a state")?;
        let (name, position) = (state.0.clone(), state.1);
        let node = self.resolve(state)?;
        let Some(input) = self.source.graph.inputs.iter().position(|input| input.node == node) else {
            let problem = Problem::Unexpected { expected: "an input".to_string(), found: format!("`%{name}`") };
            return Err(ParseError { position, problem });
        };
        self.mark('=')?;
        let new = self.value("a value")?;
        let node = self.resolve(new)?;
        self.source.graph.updates.push(Update { input, node });
        Ok(())
    }

    fn output(&mut self) -> Result<(), ParseError> {
        let token = self.peek().clone();
        let name = match token.kind {
            Kind::Word(name) | Kind::Quoted(name) => {
                self.take();
                self.mark('=')?;
                name
            }
            Kind::Value(_) => self.source.graph.outputs.len().to_string(),
            Kind::Scope(_) | Kind::Number(_) | Kind::Mark(_) | Kind::End => {
                return unexpected("an output: `%value` or `name=%value`, or `}`", &token);
            }
        };
        let value = self.value("a value")?;
        let node = self.resolve(value)?;
        self.source.graph.outputs.push(Output { name, node });
        Ok(())
    }
}

const DTYPES: &str = "an element type: `f32`, `bf16`, `i32`, `u8`, `i8` or `bool`";

fn dtype_of(word: &str) -> Option<DType> {
    DType::ALL.into_iter().find(|dtype| dtype.name() == word)
}

/// The number that a literal of a constant stands for: the inverse of the printer's.
fn literal_of(text: &str) -> Option<f64> {
    match text {
        "inf" => Some(f64::INFINITY),
        "-inf" => Some(f64::NEG_INFINITY),
        "nan" => Some(f64::NAN),
        _ => match text.strip_prefix("nan.") {
            Some(bits) => u64::from_str_radix(bits, 16).ok().map(f64::from_bits).filter(|value| value.is_nan()),
            None => text.parse().ok(),
        },
    }
}

/// The value of an attribute: a list, or what its token says.
enum Value {
    List(Vec<usize>),
    Token,
}

/// Fills the attributes of an operation in from the text; keeps the first problem.
struct Reader {
    literal: Option<Token>,
    named: Vec<(Name, (Value, Token))>,
    /// The token that stands where a missing attribute would, at the place of the operation.
    end: Token,
    problem: Option<ParseError>,
}

impl Reader {
    fn fail(&mut self, token: &Token, expected: String, found: String) {
        let problem = Problem::Unexpected { expected, found };
        self.problem.get_or_insert(ParseError { position: token.position, problem });
    }

    /// Takes the attribute out of the list.
    fn find(&mut self, name: &str) -> Option<(Value, Token)> {
        match self.named.iter().position(|((given, _), _)| given == name) {
            Some(index) => Some(self.named.remove(index).1),
            None => {
                let end = self.end.clone();
                self.fail(&end, format!("the attribute `{name}`"), "none".to_string());
                None
            }
        }
    }

    /// Takes an attribute that is one token which `read` understands.
    fn single<T>(&mut self, name: &str, expected: String, read: impl Fn(&str) -> Option<T>) -> Option<T> {
        let (_, token) = self.find(name)?;
        let value = match &token.kind {
            Kind::Word(text) | Kind::Number(text) => read(text),
            Kind::Value(_) | Kind::Scope(_) | Kind::Quoted(_) | Kind::Mark(_) | Kind::End => None,
        };
        if value.is_none() {
            self.fail(&token, format!("{expected} for `{name}`"), token.kind.to_string());
        }
        value
    }

    fn finish(mut self, op: &Op) -> Result<(), ParseError> {
        let surplus = if self.named.is_empty() { None } else { Some(self.named.remove(0)) };
        match (self.problem, surplus) {
            (Some(problem), _) => Err(problem),
            (None, Some(((name, position), _))) => {
                let expected = format!("no (other) attribute of `{}`", op.mnemonic());
                Err(ParseError { position, problem: Problem::Unexpected { expected, found: format!("`{name}`") } })
            }
            (None, None) => Ok(()),
        }
    }
}

impl Attributes for Reader {
    fn scalar(&mut self, value: &mut f64) {
        let token = self.literal.take().unwrap_or_else(|| self.end.clone());
        let read = match &token.kind {
            Kind::Word(text) | Kind::Number(text) => literal_of(text),
            Kind::Value(_) | Kind::Scope(_) | Kind::Quoted(_) | Kind::Mark(_) | Kind::End => None,
        };
        match read {
            Some(read) => *value = read,
            None => self.fail(&token, "the value of the constant".to_string(), token.kind.to_string()),
        }
    }

    fn number(&mut self, name: &'static str, value: &mut u64, most: u64) {
        let read = |text: &str| text.parse().ok().filter(|&number| number <= most);
        if let Some(read) = self.single(name, format!("a number up to {most}"), read) {
            *value = read;
        }
    }

    fn flag(&mut self, name: &'static str, value: &mut bool) {
        if let Some(read) = self.single(name, "`true` or `false`".to_string(), |text| text.parse().ok()) {
            *value = read;
        }
    }

    fn dtype(&mut self, name: &'static str, value: &mut DType) {
        if let Some(read) = self.single(name, DTYPES.to_string(), dtype_of) {
            *value = read;
        }
    }

    fn list(&mut self, name: &'static str, values: &mut Vec<usize>, length: RangeInclusive<usize>, below: usize) {
        let Some((value, token)) = self.find(name) else { return };
        let Value::List(read) = value else {
            return self.fail(&token, format!("a list for `{name}`"), token.kind.to_string());
        };
        if !length.contains(&read.len()) {
            let expected = match length.start() == length.end() {
                true => format!("{} numbers for `{name}`", length.start()),
                false => format!("{} to {} numbers for `{name}`", length.start(), length.end()),
            };
            return self.fail(&token, expected, read.len().to_string());
        }
        if let Some(number) = read.iter().find(|&&number| number >= below) {
            return self.fail(&token, format!("numbers below {below} for `{name}`"), number.to_string());
        }
        if !has_size(&read) {
            return self.fail(&token, format!("numbers of a countable product for `{name}`"), format!("{read:?}"));
        }
        *values = read;
    }
}
