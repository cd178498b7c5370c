//! Links programs by a C compiler or by rustc, and runs what comes out.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use kiln_build::Program;

/// A C compiler, and what runs its programs.
pub struct C {
    compiler: &'static str,
    arguments: &'static [&'static str],
    emulator: Option<&'static str>,
}

/// What a program gave.
pub struct Results {
    /// Of the last run.
    pub outputs: Vec<Vec<u8>>,
    /// The states, where the program has a function that saves them.
    pub saved: Option<Vec<u8>>,
}

impl C {
    /// gcc, if it is there; else this is said.
    pub fn host() -> Option<C> {
        let c = C { compiler: "gcc", arguments: &[], emulator: None };
        c.is_there().then_some(c)
    }

    /// Debian's cross compiler and QEMU, if they are there; else this is said.
    #[allow(dead_code)]
    pub fn aarch64() -> Option<C> {
        let c = C { compiler: "aarch64-linux-gnu-gcc", arguments: &["-static"], emulator: Some("qemu-aarch64") };
        c.is_there().then_some(c)
    }

    fn is_there(&self) -> bool {
        [self.compiler].into_iter().chain(self.emulator).all(|name| {
            let runs = Command::new(name).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
            let there = runs.is_ok_and(|status| status.success());
            if !there {
                eprintln!("skipped: there is no `{name}` in the PATH");
            }
            there
        })
    }

    /// Compiles a main program with the object file of that name in a folder, and runs it there; its status.
    pub fn compile_and_run(&self, name: &str, main: &str, folder: &Path) -> Option<i32> {
        self.compile(name, main, folder).status(folder)
    }

    fn compile(&self, name: &str, main: &str, folder: &Path) -> Linked {
        let source = folder.join(format!("{name}_main.c"));
        std::fs::write(&source, main).expect("a folder of our own");
        let program = folder.join(name);
        let compiled = Command::new(self.compiler)
            .args(["-O1", "-Wall", "-Wextra", "-Werror", "-Wl,--fatal-warnings"])
            .args(self.arguments)
            .arg("-o")
            .args([&program, &source, &folder.join(format!("{name}.o"))])
            .output()
            .expect("the compiler was there");
        assert!(compiled.status.success(), "{}", String::from_utf8_lossy(&compiled.stderr));
        Linked { path: program, emulator: self.emulator, name: name.to_owned(), outputs: 0, inside: true, saves: false }
    }

    /// Links a program whose main function reads inputs from files, runs so often, and writes outputs; of each their bytes.
    pub fn link(&self, program: &Program, folder: &Path, inputs: &[usize], outputs: &[usize], times: usize) -> Linked {
        program.write(folder).expect("a folder of our own");
        let main = main(program, inputs, outputs, times);
        let saves = program.header.contains(&format!("{}_save(", program.name));
        let linked = self.compile(&program.name, &main, folder);
        Linked { outputs: outputs.len(), inside: program.inside, saves, ..linked }
    }
}

/// A program that is linked.
pub struct Linked {
    path: PathBuf,
    emulator: Option<&'static str>,
    name: String,
    outputs: usize,
    inside: bool,
    saves: bool,
}

impl Linked {
    fn status(&self, folder: &Path) -> Option<i32> {
        let mut command = match self.emulator {
            Some(emulator) => Command::new(emulator),
            None => Command::new(&self.path),
        };
        command.args(self.emulator.map(|_| &self.path)).current_dir(folder);
        command.status().expect("it was just made").code()
    }

    /// Runs it on some inputs, with such weights.
    pub fn run(&self, folder: &Path, weights: &[u8], inputs: &[Vec<u8>]) -> Result<Results, String> {
        let name = &self.name;
        let write = |file: String, bytes: &[u8]| std::fs::write(folder.join(file), bytes).expect("a folder of our own");
        if !self.inside {
            write(format!("{name}.weights"), weights);
        }
        for (number, input) in inputs.iter().enumerate() {
            write(format!("{name}.in{number}"), input);
        }
        match self.status(folder) {
            Some(0) => {}
            status => return Err(format!("the program has ended with the status {status:?}")),
        }
        let read = |file: String| std::fs::read(folder.join(file)).expect("the program has written it");
        let outputs = (0..self.outputs).map(|number| read(format!("{name}.out{number}"))).collect();
        Ok(Results { outputs, saved: self.saves.then(|| read(format!("{name}.saved"))) })
    }
}

/// A main program that reads inputs, runs, and writes outputs.
fn main(program: &Program, inputs: &[usize], outputs: &[usize], times: usize) -> String {
    let name = &program.name;
    let capitals = name.to_uppercase();
    let mut text = format!(
        "#include \"{name}.h\"\n#include <stdio.h>\n\
         static _Alignas(64) unsigned char arena[{capitals}_ARENA_BYTES];\n\
         static int take(const char *path, void *to, size_t bytes) {{\n  FILE *file = fopen(path, \"rb\");\n  \
         if (!file) return 1;\n  size_t found = fread(to, 1, bytes, file);\n  fclose(file);\n  return found != bytes;\n}}\n\
         static int give(const char *path, const void *from, size_t bytes) {{\n  FILE *file = fopen(path, \"wb\");\n  \
         if (!file) return 1;\n  size_t found = fwrite(from, 1, bytes, file);\n  \
         return fclose(file) || found != bytes;\n}}\n"
    );
    let saves = program.header.contains(&format!("{name}_save("));
    let mut arguments = String::new();
    let mut body = String::new();
    for (number, input) in inputs.iter().enumerate() {
        let bytes = (*input).max(4);
        text += &format!("static _Alignas(64) unsigned char in{number}[{bytes}];\n");
        body += &format!("  if (take(\"{name}.in{number}\", in{number}, {input})) return 10;\n");
        arguments += &format!(", (const void *)in{number}");
    }
    for (number, bytes) in outputs.iter().enumerate() {
        text += &format!("static _Alignas(64) unsigned char out{number}[{}];\n", (*bytes).max(4));
        arguments += &format!(", (void *)out{number}");
    }
    let weights = program.weights.len();
    if !program.inside || saves {
        text += &format!("static _Alignas(64) unsigned char weights[{weights}];\n");
    }
    if program.inside {
        body += &format!("  if ({name}_init(arena)) return 11;\n");
    } else {
        body += &format!(
            "  if (take(\"{name}.weights\", weights, {weights}) || {name}_init(arena, weights, {weights})) return 11;\n"
        );
    }
    body += &format!(
        "  for (int i = 0; i < {times}; i++) {{ int error = {name}_run(arena{arguments}); if (error) return error; }}\n"
    );
    for (number, bytes) in outputs.iter().enumerate() {
        body += &format!("  if (give(\"{name}.out{number}\", out{number}, {bytes})) return 12;\n");
    }
    if saves {
        text += &format!("static _Alignas(64) unsigned char saved[{weights}];\n");
        body += &format!("  if ({name}_save(arena, saved) || give(\"{name}.saved\", saved, {weights})) return 13;\n");
    }
    format!("{text}int main(void) {{\n{body}  return 0;\n}}\n")
}

/// Compiles a program of Rust's that links the static library of that name in a folder, and runs it there; its status.
#[allow(dead_code)]
pub fn rustc(name: &str, main: &str, folder: &Path) -> Option<i32> {
    let source = folder.join(format!("{name}_main.rs"));
    std::fs::write(&source, main).expect("a folder of our own");
    let program = folder.join(format!("{name}_main"));
    let compiled = Command::new(std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()))
        .args(["--edition", "2024", "-O", "-C", "panic=abort", "-D", "warnings", "-l", &format!("static={name}"), "-L"])
        .arg(folder)
        .arg("-o")
        .args([&program, &source])
        .output()
        .expect("rustc runs where tests do");
    assert!(compiled.status.success(), "{}", String::from_utf8_lossy(&compiled.stderr));
    Command::new(&program).current_dir(folder).status().expect("it was just made").code()
}

/// Numbers as they lie in memory.
pub fn bytes(numbers: impl Iterator<Item = f32>) -> Vec<u8> {
    numbers.flat_map(f32::to_le_bytes).collect()
}

/// Numbers that lay in memory.
pub fn floats(bytes: &[u8]) -> Vec<f32> {
    bytes.chunks_exact(4).map(|word| f32::from_le_bytes([word[0], word[1], word[2], word[3]])).collect()
}
