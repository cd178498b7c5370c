//! The command `kiln`: files of weights looked at, compared and converted; reports of runs; ONNX files run, timed and
//! compiled.
//! What it knows of files it knows from the library.
//!
//! A command's file knows its own arguments and what it prints; what is wrong with a file, and what to do about it, the
//! library and `hints.rs` say.
#![forbid(unsafe_code)]

mod arguments;
mod bench;
mod compile;
mod convert;
mod diff;
mod export;
mod failure;
mod hints;
mod inspect;
mod onnx;
mod output;
mod report;
mod run;
mod selection;
mod statistics;

use std::io;
use std::process::ExitCode;

use arguments::Command;
use failure::Failure;
use output::Output;

/// What is given back where something went wrong, as by `diff` and `grep`.
const TROUBLE: u8 = 2;
/// What shells say of a program whose reader went away.
const CLOSED: u8 = 141;

fn main() -> ExitCode {
    let command = match arguments::options().run_inner(bpaf::Args::current_args()) {
        Ok(command) => command,
        Err(said) => {
            said.print_message(Output::width_of_terminal());
            return if said.exit_code() == 0 { ExitCode::SUCCESS } else { ExitCode::from(TROUBLE) };
        }
    };
    let mut output = Output::stdout();
    match run(command, &mut output).and_then(|code| Ok(output.flush().map(|()| code)?)) {
        Ok(code) => ExitCode::from(code),
        Err(Failure::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::from(CLOSED),
        Err(failure) => {
            // What was found so far stands before what went wrong.
            let _ = output.flush();
            eprintln!("kiln: {failure}");
            ExitCode::from(TROUBLE)
        }
    }
}

/// Runs a command; what it gives back to the shell.
fn run(command: Command, output: &mut Output) -> Result<u8, Failure> {
    match command {
        Command::Inspect(arguments) => inspect::run(&arguments, output).map(|()| 0),
        Command::Diff(arguments) => diff::run(&arguments, output).map(|same| if same { 0 } else { 1 }),
        Command::Convert(arguments) => convert::run(&arguments, output).map(|()| 0),
        Command::Run(arguments) => run::run(&arguments, output).map(|()| 0),
        Command::Bench(arguments) => bench::run(&arguments, output).map(|()| 0),
        Command::Export(arguments) => export::run(&arguments, output).map(|()| 0),
        Command::Compile(arguments) => compile::run(&arguments, output).map(|()| 0),
        Command::Report(arguments) => report::run(&arguments, output).map(|()| 0),
        Command::Completions(shell) => {
            output.line(shell.script().trim_end())?;
            Ok(0)
        }
    }
}
