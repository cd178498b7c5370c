//! Which file of a crate imports which other one, read from the source: paths of `use` and in the code, with re-exports followed to
//! where a name is declared. What a file re-exports from those below it is no import of its own. It knows no names of this project.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

/// The modules of a crate, by their paths (`plan::group`; the root is empty), with those that each one imports.
pub struct Imports {
    /// For each module.
    pub of: BTreeMap<String, BTreeSet<String>>,
}

/// A path of names.
type Names = Vec<String>;

/// The text of a module without comments and tests, in parts.
struct Module {
    /// Paths that are used.
    uses: Vec<Names>,
    /// What names stand for that are re-exported.
    exports: BTreeMap<String, Names>,
}

impl Imports {
    /// Those of the crate whose sources lie in a folder.
    pub fn read(sources: &Path) -> Imports {
        let mut texts = BTreeMap::new();
        collect(sources, String::new(), &mut texts);
        let names: BTreeSet<String> = texts.keys().cloned().collect();
        let modules: BTreeMap<String, Module> =
            texts.iter().map(|(name, text)| (name.clone(), Module::parse(name, text, &names))).collect();
        let mut of = BTreeMap::new();
        for (name, module) in &modules {
            let found = module.uses.iter().filter_map(|path| resolve(path, &modules, 0));
            let imports: BTreeSet<String> = found.filter(|import| import != name).collect();
            of.insert(name.clone(), imports);
        }
        Imports { of }
    }

    /// Modules each of which imports the next one, and the last the first; `None` where there are none such.
    pub fn cycle(&self) -> Option<Vec<String>> {
        // 1: being looked at, 2: no cycle goes through it.
        let mut state: BTreeMap<&str, u8> = BTreeMap::new();
        for start in self.of.keys() {
            let mut path: Vec<(&str, Vec<&str>)> = vec![(start, self.next(start))];
            if state.contains_key(start.as_str()) {
                continue;
            }
            state.insert(start, 1);
            while let Some((module, open)) = path.last_mut() {
                let Some(next) = open.pop() else {
                    state.insert(*module, 2);
                    path.pop();
                    continue;
                };
                match state.get(next) {
                    Some(1) => {
                        let from = path.iter().position(|(module, _)| *module == next).unwrap_or(0);
                        return Some(path[from..].iter().map(|(module, _)| (*module).to_owned()).collect());
                    }
                    Some(_) => {}
                    None => {
                        state.insert(next, 1);
                        let open = self.next(next);
                        path.push((next, open));
                    }
                }
            }
        }
        None
    }

    fn next(&self, module: &str) -> Vec<&str> {
        self.of.get(module).into_iter().flatten().map(String::as_str).collect()
    }
}

fn collect(folder: &Path, prefix: String, texts: &mut BTreeMap<String, String>) {
    for entry in fs::read_dir(folder).expect("a folder of sources") {
        let path = entry.expect("an entry").path();
        let name = path.file_stem().expect("a name").to_string_lossy().into_owned();
        let module = if prefix.is_empty() { name.clone() } else { format!("{prefix}::{name}") };
        if path.is_dir() {
            collect(&path, module, texts);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let root = prefix.is_empty() && name == "lib";
            let text = fs::read_to_string(&path).expect("a text");
            texts.insert(if root { String::new() } else { module }, text);
        }
    }
}

impl Module {
    fn parse(name: &str, text: &str, modules: &BTreeSet<String>) -> Module {
        let code: Vec<&str> = text.lines().map(|line| line.split("//").next().unwrap_or_default()).collect();
        let code = code.join("\n");
        let code = code.split("#[cfg(test)]").next().unwrap_or_default();
        let mut module = Module { uses: Vec::new(), exports: BTreeMap::new() };
        let mut rest = String::new();
        let mut lines = code.lines();
        while let Some(line) = lines.next() {
            let start = line.trim_start();
            let public = start.starts_with("pub ") || start.starts_with("pub(");
            let Some(at) = start.find("use ").filter(|&at| at == 0 || public && start[..at].ends_with(' ')) else {
                rest += line;
                rest.push('\n');
                continue;
            };
            let mut tree = start[at + 4..].to_owned();
            while !tree.contains(';') {
                let Some(line) = lines.next() else { break };
                tree += line;
            }
            for (path, alias) in expand(tree.trim_end().trim_end_matches(';'), "") {
                let Some(path) = absolute(name, &path, modules) else { continue };
                if public {
                    module.exports.insert(alias, path);
                } else {
                    module.uses.push(path);
                }
            }
        }
        let separates = |c: char| !(c.is_alphanumeric() || c == '_' || c == ':');
        for word in rest.split(separates).filter(|word| word.contains("::")) {
            module.uses.extend(absolute(name, word.trim_matches(':'), modules));
        }
        module
    }
}

/// The paths of a tree of `use`, with the names that they get.
fn expand(tree: &str, prefix: &str) -> Vec<(String, String)> {
    let tree = tree.trim();
    if let Some((head, list)) = tree.split_once('{') {
        let list = list.trim_end().trim_end_matches('}');
        let (mut parts, mut depth, mut start) = (Vec::new(), 0, 0);
        for (at, c) in list.char_indices() {
            match c {
                '{' => depth += 1,
                '}' => depth -= 1,
                ',' if depth == 0 => {
                    parts.push(&list[start..at]);
                    start = at + 1;
                }
                _ => {}
            }
        }
        parts.push(&list[start..]);
        let prefix = format!("{prefix}{}", head.trim());
        return parts
            .into_iter()
            .filter(|part| !part.trim().is_empty())
            .flat_map(|part| expand(part, &prefix))
            .collect();
    }
    let (path, alias) = tree.split_once(" as ").map_or((tree, None), |(path, alias)| (path, Some(alias.trim())));
    let path = format!("{prefix}{}", path.trim());
    let path = path.strip_suffix("::self").unwrap_or(&path).to_owned();
    let last = path.rsplit("::").next().unwrap_or_default().to_owned();
    vec![(path, alias.map_or(last, str::to_owned))]
}

/// A path from the root of the crate, if it is one of the crate.
fn absolute(module: &str, path: &str, modules: &BTreeSet<String>) -> Option<Names> {
    let mut names: Names = path.split("::").map(str::to_owned).collect();
    let mut at: Names = module.split("::").filter(|name| !name.is_empty()).map(str::to_owned).collect();
    match names[0].as_str() {
        "crate" => at.clear(),
        "self" | "super" => {
            while names.first().is_some_and(|name| name == "super") {
                at.pop();
                names.remove(0);
            }
            names.insert(0, String::new());
        }
        first => {
            let child = at.iter().map(String::as_str).chain([first]).collect::<Vec<_>>().join("::");
            if !modules.contains(&child) {
                return None;
            }
            names.insert(0, String::new());
        }
    }
    at.extend(names.into_iter().skip(1));
    Some(at)
}

/// The module in which the name of a path is declared.
fn resolve(path: &[String], modules: &BTreeMap<String, Module>, depth: usize) -> Option<String> {
    for length in (0..=path.len()).rev() {
        let name = path[..length].join("::");
        let Some(module) = modules.get(&name) else { continue };
        let rest = &path[length..];
        if let Some(export) = rest.first().and_then(|first| module.exports.get(first))
            && depth < 8
        {
            let further: Names = export.iter().chain(&rest[1..]).cloned().collect();
            return resolve(&further, modules, depth + 1);
        }
        return Some(name);
    }
    None
}
