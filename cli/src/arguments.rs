//! The command line: what may be given, and what `--help` says of it. It does nothing.

use std::path::PathBuf;

use bpaf::{OptionParser, Parser, construct, long, positional};
use kiln::weights::Element;
use kiln_build::Level;

/// What is to be done.
#[derive(Clone, Debug)]
pub enum Command {
    Inspect(Inspect),
    Diff(Diff),
    Convert(Convert),
    Report(Report),
    Run(Run),
    Bench(Bench),
    Export(Export),
    Compile(Compile),
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

/// `kiln report`.
#[derive(Clone, Debug)]
pub struct Report {
    pub output: Option<PathBuf>,
    pub title: Option<String>,
    pub force: bool,
    pub run: PathBuf,
}

/// Something for the input or output of a name.
#[derive(Clone, Debug)]
pub struct Given<T> {
    pub name: String,
    pub value: T,
}

/// `kiln run`.
#[derive(Clone, Debug)]
pub struct Run {
    pub inputs: Vec<Given<PathBuf>>,
    pub shape: Vec<Given<Vec<usize>>>,
    pub constants: Vec<Given<Vec<f64>>>,
    /// With an empty name for the only output.
    pub outputs: Vec<Given<PathBuf>>,
    pub threads: Option<usize>,
    pub json: bool,
    pub file: PathBuf,
}

/// `kiln bench`.
#[derive(Clone, Debug)]
pub struct Bench {
    pub shape: Vec<Given<Vec<usize>>>,
    pub constants: Vec<Given<Vec<f64>>>,
    pub batch: usize,
    pub seconds: f64,
    pub threads: Option<usize>,
    pub json: bool,
    pub file: PathBuf,
}

/// `kiln export`.
#[derive(Clone, Debug)]
pub struct Export {
    pub partial: bool,
    pub force: bool,
    pub net: PathBuf,
    pub weights: PathBuf,
    pub out: PathBuf,
}

/// `kiln compile`.
#[derive(Clone, Debug)]
pub struct Compile {
    pub out: PathBuf,
    pub name: Option<String>,
    pub target: Option<String>,
    pub levels: Vec<Level>,
    pub native: bool,
    pub inside: bool,
    pub shape: Vec<Given<Vec<usize>>>,
    pub constants: Vec<Given<Vec<f64>>>,
    pub batch: usize,
    pub file: PathBuf,
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
         is taken), a .pt or .pth of PyTorch, a .npz or a .npy, or an ONNX file, of which inputs, outputs and \
         operators are told, too. Its first bytes tell which. Of one tensor alone a histogram is drawn. The \
         standard deviation is that of a sample, as PyTorch's.",
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
    let report = report().map(Command::Report).to_options();
    let report = report.descr("Write what a run has measured as one HTML file").footer(
        "RUN is the folder of a run, with a log in JSON lines or checkpoints, also of one that still goes on; or one such file. \
         Without --output the report is report.html in the folder (beside the file), where an earlier one is replaced.",
    );
    let run = run().map(Command::Run).to_options();
    let run = run.descr("Compute what a model of an ONNX file gives for arrays").footer(
        "An array is a .npy file, whose shape says what the file leaves open. Outputs are shown, and written where --out \
         says so.",
    );
    let bench = bench().map(Command::Bench).to_options();
    let bench = bench.descr("Time the prediction of a model of an ONNX file").footer(
        "Inputs get random numbers, whole numbers 0 or 1. The first extent of an input may stay open: --batch says how \
         many rows.",
    );
    let export = export().map(Command::Export).to_options();
    let export = export.descr("Write an ONNX file with the weights of another file").footer(
        "A file of weights does not say what is computed with them: NET is an ONNX file of the same network, which a model writes \
         by `export_onnx`. Its tensors get the numbers that WEIGHTS has under their names (whatever `kiln inspect` \
         reads: a checkpoint, safetensors, PyTorch's files, .npz), as floats of NET's types. `kiln convert` gives \
         tensors other names.",
    );
    let compile = compile().map(Command::Compile).to_options();
    let compile = compile.descr("Write the prediction of an ONNX file as an object file, for programs without a compiler").footer(
        "DIR gets NAME.o, the library libNAME.a, the header NAME.h for C, the module NAME.rs for Rust and NAME.weights. What \
         links them maps no executable memory and allocates nothing. The first extent of an input may stay open: --batch \
         says for how many rows the program is.",
    );
    let shell = positional::<String>("SHELL").help("bash, zsh or fish").parse(shell).map(Command::Completions);
    let completions = shell.to_options().descr("Print the script by which a shell completes this command").footer(
        "bash: eval \"$(kiln completions bash)\" in .bashrc. zsh: into a file _kiln of a folder in $fpath. fish: into \
         ~/.config/fish/completions/kiln.fish.",
    );
    let inspect = inspect.command("inspect");
    let diff = diff.command("diff");
    let convert = convert.command("convert");
    let report = report.command("report");
    let run = run.command("run");
    let bench = bench.command("bench");
    let export = export.command("export");
    let compile = compile.command("compile");
    let completions = completions.command("completions");
    construct!([inspect, diff, convert, report, run, bench, export, compile, completions])
        .to_options()
        .version(env!("CARGO_PKG_VERSION"))
        .descr(
            "Files of weights looked at, compared and converted; reports of runs; ONNX files run, timed and compiled",
        )
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

fn report() -> impl Parser<Report> {
    let output = long("output").short('o').help("What to write").argument::<PathBuf>("FILE").optional();
    let title =
        long("title").help("What stands on top; else the name of the folder").argument::<String>("TEXT").optional();
    let force = long("force").short('f').help("Replaces FILE if it is there").switch();
    let run = file("RUN", "The folder of a run");
    construct!(Report { output, title, force, run })
}

fn run() -> impl Parser<Run> {
    let inputs = long("input")
        .short('i')
        .help("The array of an input, a .npy file; may be given several times")
        .argument::<String>("NAME=FILE")
        .parse(|text| given(&text, "NAME=FILE", |file| Ok(PathBuf::from(file))))
        .many();
    let (shape, constants) = (shapes(), constants());
    let outputs = long("out")
        .short('o')
        .help("Writes an output as a .npy file; with NAME= before it one of several; may be given several times")
        .argument::<String>("FILE")
        .map(|text| match text.split_once('=') {
            Some((name, file)) => Given { name: name.to_owned(), value: PathBuf::from(file) },
            None => Given { name: String::new(), value: PathBuf::from(text) },
        })
        .many();
    let threads = threads();
    let json = long("json").help("As one JSON object").switch();
    let file = file("FILE", "An ONNX file");
    construct!(Run { inputs, shape, constants, outputs, threads, json, file })
}

fn bench() -> impl Parser<Bench> {
    let (shape, constants, batch, threads) = (shapes(), constants(), batch(), threads());
    let seconds = long("seconds")
        .help("How long calls are timed; else 2")
        .argument::<f64>("S")
        .guard(|seconds| (0.0..1e6).contains(seconds), "expected a number of seconds")
        .fallback(2.0);
    let json = long("json").help("As one JSON object").switch();
    let file = file("FILE", "An ONNX file");
    construct!(Bench { shape, constants, batch, seconds, threads, json, file })
}

fn export() -> impl Parser<Export> {
    let partial = long("partial").help("Tensors of NET that WEIGHTS does not have keep their numbers").switch();
    let force = long("force").short('f').help("Replaces OUT if it is there").switch();
    let net = file("NET", "An ONNX file of the network");
    let weights = file("WEIGHTS", "Its weights");
    let out = file("OUT", "The ONNX file to write");
    construct!(Export { partial, force, net, weights, out })
}

fn compile() -> impl Parser<Compile> {
    let out = long("out").short('o').help("The folder for the files").argument::<PathBuf>("DIR");
    let name = long("name").help("The name of the program; else that of FILE").argument::<String>("NAME").optional();
    let target = long("target")
        .help("The machine, as rustc's --target names it: aarch64-unknown-linux-gnu; else this one")
        .argument::<String>("TARGET")
        .optional();
    let levels = long("level")
        .help("Code for baseline, avx2 or avx512 alone; may be given several times. Else for all that there are")
        .argument::<String>("LEVEL")
        .parse(|name| match name.as_str() {
            "baseline" => Ok(Level::Baseline),
            "avx2" => Ok(Level::Avx2),
            "avx512" => Ok(Level::Avx512),
            _ => Err("expected baseline, avx2 or avx512"),
        })
        .many();
    let native = long("native").help("For the caches of this machine: with the bits of `kiln run` here").switch();
    let inside = long("inside").help("Weights in the object file, instead of NAME.weights").switch();
    let (shape, constants, batch) = (shapes(), constants(), batch());
    let file = file("FILE", "An ONNX file");
    construct!(Compile { out, name, target, levels, native, inside, shape, constants, batch, file })
}

fn batch() -> impl Parser<usize> {
    let batch = long("batch").help("The number of rows where the first extent of inputs is open; else 1");
    batch.argument::<usize>("N").guard(|batch| *batch > 0, "expected a number from 1 on").fallback(1)
}

fn shapes() -> impl Parser<Vec<Given<Vec<usize>>>> {
    let shape = long("shape").help("The shape of an input that the file leaves open; may be given several times");
    shape.argument::<String>("NAME=1,3,224,224").parse(|text| given(&text, "NAME=1,3,224,224", numbers)).many()
}

fn constants() -> impl Parser<Vec<Given<Vec<f64>>>> {
    let constant = long("const").help("The number, or the numbers, of an input on which shapes may depend");
    constant.argument::<String>("NAME=NUMBER").parse(|text| given(&text, "NAME=NUMBER", numbers)).many()
}

fn threads() -> impl Parser<Option<usize>> {
    let threads = long("threads").short('t').help("The number of threads; else that of the processor's cores");
    threads.argument::<usize>("N").guard(|threads| *threads > 0, "expected a number from 1 on").optional()
}

/// `NAME=VALUE`.
fn given<T>(text: &str, form: &str, value: impl Fn(&str) -> Result<T, String>) -> Result<Given<T>, String> {
    match text.split_once('=') {
        Some((name, found)) if !name.is_empty() => Ok(Given { name: name.to_owned(), value: value(found)? }),
        _ => Err(format!("expected {form}")),
    }
}

/// Numbers between commas.
fn numbers<T: std::str::FromStr>(text: &str) -> Result<Vec<T>, String> {
    text.split(',').map(|number| number.trim().parse().map_err(|_| format!("`{number}` is no number here"))).collect()
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
