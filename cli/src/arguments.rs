//! The command line: what may be given, and what `--help` says of it. It does nothing.

use std::path::PathBuf;

use bpaf::{OptionParser, Parser, construct, long, positional};
use kiln::weights::Element;

/// What is to be done.
#[derive(Clone, Debug)]
pub enum Command {
    Inspect(Inspect),
    Diff(Diff),
    Convert(Convert),
    Completions(Shell),
}

/// `kiln inspect`.
#[derive(Clone, Debug)]
pub struct Inspect {
    pub list: bool,
    pub sort: Sort,
    pub json: bool,
    pub file: PathBuf,
    pub names: Vec<String>,
}

/// In which order tensors come.
#[derive(Clone, Copy, Debug)]
pub enum Sort {
    Name,
    Size,
}

/// `kiln diff`.
#[derive(Clone, Debug)]
pub struct Diff {
    pub tolerance: Option<f64>,
    pub json: bool,
    pub a: PathBuf,
    pub b: PathBuf,
    pub names: Vec<String>,
}

/// `kiln convert`.
#[derive(Clone, Debug)]
pub struct Convert {
    pub to: Option<Element>,
    pub rename: Vec<(String, String)>,
    pub strip: Vec<String>,
    pub force: bool,
    pub a: PathBuf,
    pub b: PathBuf,
    pub names: Vec<String>,
}

/// A shell that completes.
#[derive(Clone, Copy, Debug)]
pub enum Shell {
    Bash,
    Zsh,
    Fish,
}

/// What the arguments of the command may be.
pub fn options() -> OptionParser<Command> {
    let inspect = inspect().map(Command::Inspect).to_options();
    let inspect = inspect.descr("Show the tensors of a file, with their statistics").footer(
        "FILE is a safetensors file or an index of several, a checkpoint of Kiln's or the folder of a run (of which the newest \
         is taken), a .pt or .pth of PyTorch, a .npz or a .npy. Its first bytes tell which. Of one tensor alone a histogram is \
         drawn. The standard deviation is that of a sample, as PyTorch's.",
    );
    let diff = diff().map(Command::Diff).to_options();
    let diff = diff.descr("Show how the tensors of two files differ").footer(
        "Gives back 0 where they are the same, 1 where they differ, 2 where something went wrong. Numbers are the same if their \
         bits are.",
    );
    let convert = convert().map(Command::Convert).to_options();
    let convert = convert.descr("Write the tensors of a file in another format, or with other names").footer(
        "The name of B tells its format: .safetensors, .npz or .npy (of one tensor). B is written beside its place and renamed, \
         so that it is whole or not there. A checkpoint's notes, from which a training goes on, are not copied.",
    );
    let shell = positional::<String>("SHELL").help("bash, zsh or fish").parse(shell).map(Command::Completions);
    let completions = shell.to_options().descr("Print the script by which a shell completes this command").footer(
        "bash: eval \"$(kiln completions bash)\" in .bashrc. zsh: into a file _kiln of a folder in $fpath. fish: into \
         ~/.config/fish/completions/kiln.fish.",
    );
    let inspect = inspect.command("inspect");
    let diff = diff.command("diff");
    let convert = convert.command("convert");
    let completions = completions.command("completions");
    construct!([inspect, diff, convert, completions])
        .to_options()
        .version(env!("CARGO_PKG_VERSION"))
        .descr("Files of weights looked at, compared and converted")
}

fn inspect() -> impl Parser<Inspect> {
    let list = long("list").short('l').help("Names, types and shapes alone: no numbers are read").switch();
    let sort = long("sort")
        .help("Order: `name` (numbers in names count as numbers) or `size`, largest first")
        .argument::<String>("ORDER")
        .parse(|order| match order.as_str() {
            "name" => Ok(Sort::Name),
            "size" => Ok(Sort::Size),
            _ => Err("expected `name` or `size`"),
        })
        .fallback(Sort::Name);
    let json = long("json").help("As one JSON object").switch();
    let file = file("FILE", "What to look at");
    let names = names();
    construct!(Inspect { list, sort, json, file, names })
}

fn diff() -> impl Parser<Diff> {
    let tolerance = long("tolerance")
        .short('t')
        .help("Numbers are the same where they differ by no more than this")
        .argument::<f64>("T")
        .guard(|tolerance| *tolerance >= 0.0, "expected a number from 0 on")
        .optional();
    let json = long("json").help("As one JSON object").switch();
    let (a, b) = (file("A", "A file"), file("B", "Another one"));
    let names = names();
    construct!(Diff { tolerance, json, a, b, names })
}

fn convert() -> impl Parser<Convert> {
    let to = long("to")
        .help("Floats become f16, bf16, f32 or f64; whole numbers stay as they are")
        .argument::<String>("TYPE")
        .parse(|name| match name.to_ascii_lowercase().as_str() {
            "f16" => Ok(Element::F16),
            "bf16" => Ok(Element::BF16),
            "f32" => Ok(Element::F32),
            "f64" => Ok(Element::F64),
            _ => Err("expected f16, bf16, f32 or f64"),
        })
        .optional();
    let rename = long("rename")
        .help("A tensor, or all whose names begin with OLD and a dot, get NEW instead; may be given several times")
        .argument::<String>("OLD=NEW")
        .parse(|text| match text.split_once('=') {
            Some((old, new)) if !old.is_empty() => Ok((old.to_owned(), new.to_owned())),
            _ => Err("expected OLD=NEW"),
        })
        .many();
    let strip = long("strip")
        .help("Takes this off the beginnings of names, such as `module.`; before they are renamed")
        .argument::<String>("PREFIX")
        .many();
    let force = long("force").short('f').help("Replaces B if it is there").switch();
    let (a, b) = (file("A", "What to read"), file("B", "What to write"));
    let names = names();
    construct!(Convert { to, rename, strip, force, a, b, names })
}

fn file(name: &'static str, help: &'static str) -> impl Parser<PathBuf> {
    positional::<PathBuf>(name).help(help)
}

fn names() -> impl Parser<Vec<String>> {
    let help = "Only these tensors: names, their beginnings up to a dot, or patterns with * in them";
    positional::<String>("NAME").help(help).many()
}

fn shell(name: String) -> Result<Shell, &'static str> {
    match name.as_str() {
        "bash" => Ok(Shell::Bash),
        "zsh" => Ok(Shell::Zsh),
        "fish" => Ok(Shell::Fish),
        _ => Err("expected bash, zsh or fish"),
    }
}

impl Shell {
    /// The script by which the shell completes.
    pub fn script(self) -> &'static str {
        match self {
            Shell::Bash => include_str!("completions/kiln.bash"),
            Shell::Zsh => include_str!("completions/kiln.zsh"),
            Shell::Fish => include_str!("completions/kiln.fish"),
        }
    }
}
