//! As much of a `Cargo.toml` as tells the names of dependencies: every value with the keys that lead to it. Knows the
//! syntax of TOML, and checks nothing: cargo has done that.

/// The values of a manifest.
pub struct Manifest {
    entries: Vec<(Vec<String>, String)>,
}

impl Manifest {
    pub fn read(text: &str) -> Manifest {
        let mut entries = Vec::new();
        let mut table = Vec::new();
        for line in split(text, '\n') {
            match line.strip_prefix('[') {
                Some(header) => {
                    table = keys(header.trim_matches(['[', ']']));
                    // A table without values is there, too.
                    entries.push((table.clone(), String::new()));
                }
                None => entry(&table, &line, &mut entries),
            }
        }
        Manifest { entries }
    }

    /// Whether it is that of a workspace.
    pub fn is_workspace(&self) -> bool {
        self.entries.iter().any(|(keys, _)| keys.first().is_some_and(|key| key == "workspace"))
    }

    /// The folder of the workspace's manifest, if it says it.
    pub fn workspace(&self) -> Option<&str> {
        self.value(&["package", "workspace"])
    }

    /// The name by which a package is a dependency: its own, if that is one of several. A package knows itself by its own.
    pub fn name_of(&self, package: &str, workspace: impl Fn() -> Option<Manifest>) -> Option<String> {
        if self.value(&["package", "name"]) == Some(package) {
            return Some(package.to_string());
        }
        let mut found = None;
        for kind in ["dependencies", "dev-dependencies", "build-dependencies"] {
            for name in self.dependencies(kind) {
                let of = |key| self.of_dependency(kind, &name, key);
                let means = match (of("package"), of("workspace")) {
                    (Some(package), _) => package,
                    (None, Some(_)) => {
                        let shared = workspace();
                        let shared =
                            shared.as_ref().and_then(|all| all.value(&["workspace", "dependencies", &name, "package"]));
                        shared.map_or_else(|| name.clone(), str::to_string)
                    }
                    (None, None) => name.clone(),
                };
                if means == package && (found.is_none() || name == package) {
                    found = Some(name);
                }
            }
        }
        found
    }

    /// The keys behind `dependencies`, for some platform or all.
    fn dependencies(&self, kind: &str) -> Vec<String> {
        let mut names = Vec::new();
        for (keys, _) in &self.entries {
            if let Some([name, ..]) = behind(keys, kind)
                && !names.contains(name)
            {
                names.push(name.clone());
            }
        }
        names
    }

    /// What is said of a dependency under a key.
    fn of_dependency(&self, kind: &str, name: &str, key: &str) -> Option<String> {
        let mut values = self.entries.iter().filter_map(|(keys, value)| match behind(keys, kind)? {
            [of, last] if of == name && last == key => Some(value.clone()),
            _ => None,
        });
        values.next()
    }

    fn value(&self, keys: &[&str]) -> Option<&str> {
        self.entries.iter().find(|(found, _)| found == keys).map(|(_, value)| value.as_str())
    }
}

/// The keys behind `dependencies` or `target.PLATFORM.dependencies`.
fn behind<'a>(keys: &'a [String], kind: &str) -> Option<&'a [String]> {
    match keys {
        [first, rest @ ..] if first == kind => Some(rest),
        [target, _, first, rest @ ..] if target == "target" && first == kind => Some(rest),
        _ => None,
    }
}

/// `key = value`; an inline table is as many entries.
fn entry(table: &[String], line: &str, entries: &mut Vec<(Vec<String>, String)>) {
    let Some(key) = split(line, '=').into_iter().next() else { return };
    let value = line[key.len()..].trim_start().trim_start_matches('=').trim();
    let mut path = table.to_vec();
    path.extend(keys(&key));
    match value.strip_prefix('{').and_then(|value| value.strip_suffix('}')) {
        Some(inner) => split(inner, ',').iter().for_each(|line| entry(&path, line, entries)),
        None => entries.push((path, unquoted(value).to_string())),
    }
}

/// `target."cfg(unix)".dependencies`
fn keys(text: &str) -> Vec<String> {
    split(text, '.').iter().map(|key| unquoted(key).to_string()).collect()
}

fn unquoted(text: &str) -> &str {
    text.trim_matches(['"', '\''])
}

/// The parts between separators that stand in no string and no brackets, without comments and the blanks around.
fn split(text: &str, separator: char) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut depth = 0;
    let mut quote: Option<&str> = None;
    let mut rest = text;
    while let Some(next) = rest.chars().next() {
        let mut length = next.len_utf8();
        match quote {
            Some(end) if rest.starts_with(end) => {
                length = end.len();
                quote = None;
            }
            // What is escaped ends no string.
            Some("\"" | "\"\"\"") if next == '\\' => length += rest.chars().nth(1).map_or(0, char::len_utf8),
            Some(_) => {}
            None => match next {
                '"' | '\'' => {
                    let quotes = ["\"\"\"", "'''", "\"", "'"];
                    quote = quotes.into_iter().find(|quote| rest.starts_with(quote));
                    length = quote.map_or(length, str::len);
                }
                '#' => {
                    rest = &rest[rest.find('\n').unwrap_or(rest.len())..];
                    continue;
                }
                '[' | '{' => depth += 1,
                ']' | '}' => depth -= 1,
                _ if next == separator && depth == 0 => {
                    parts.push(String::new());
                    rest = &rest[length..];
                    continue;
                }
                _ => {}
            },
        }
        parts.last_mut().expect("there is one").push_str(&rest[..length]);
        rest = &rest[length..];
    }
    parts.iter().map(|part| part.trim().to_string()).filter(|part| !part.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str, workspace: &str) -> Option<String> {
        Manifest::read(text).name_of("kiln", || Some(Manifest::read(workspace)))
    }

    #[test]
    fn a_dependency_is_found_by_its_package() {
        let cases = [
            ("[dependencies]\nkiln = \"0.1\"", Some("kiln")),
            ("[dependencies]\nkiln = { path = \"..\" } # [x]\nserde = \"1\"", Some("kiln")),
            ("[dependencies]\nkiln.path = \"..\"", Some("kiln")),
            ("[dependencies.kiln]\nversion = '0.1'", Some("kiln")),
            ("[dependencies]\nnn = { package = \"kiln\", path = \"..\" }", Some("nn")),
            (
                "[dependencies]\nnn = { version = \"1\", features = [\n  \"a\", # b\n  \"c\",\n], package = 'kiln' }",
                Some("nn"),
            ),
            ("[dependencies]\n\"neural-net\".package = \"kiln\"", Some("neural-net")),
            ("[ dependencies . nn ]\npackage=\"kiln\"", Some("nn")),
            ("[target.'cfg(unix)'.dependencies]\nnn = { package = \"kiln\" }", Some("nn")),
            ("[target.\"cfg(not(a = \\\"b.c\\\"))\".dev-dependencies.nn]\npackage = \"kiln\"", Some("nn")),
            ("[dev-dependencies]\nnn = { package = \"kiln\" }\n[build-dependencies]\nkiln = \"1\"", Some("kiln")),
            ("[package]\nname = \"kiln\"\n[dependencies]\nx = \"1\"", Some("kiln")),
            ("dependencies = { nn = { package = \"kiln\" } }", Some("nn")),
            ("dependencies.nn.package = \"kiln\"", Some("nn")),
            ("[dependencies]\nshared = { workspace = true }", Some("shared")),
            ("[dependencies]\nshared.workspace = true", Some("shared")),
            ("[dependencies]\nkiln = { package = \"other\" }", None),
            ("[dependencies]\nserde = \"1\" # kiln = \"1\"", None),
            ("[package]\ndescription = \"\"\"\n[dependencies]\nkiln = 1\"\"\"\n", None),
            ("[features]\nkiln = []\n[dependencies]\n", None),
            ("", None),
        ];
        let workspace =
            "[workspace]\nmembers = [\"a\"]\n[workspace.dependencies]\nshared = { package = \"kiln\", path = \"k\" }";
        for (text, expected) in cases {
            assert_eq!(name(text, workspace).as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn workspaces_are_known() {
        assert!(Manifest::read("[workspace]\n").is_workspace());
        assert!(Manifest::read("[workspace.dependencies]\na = \"1\"").is_workspace());
        assert!(!Manifest::read("[package]\nworkspace = \"..\"").is_workspace());
        assert_eq!(Manifest::read("[package]\nworkspace = \"..\"").workspace(), Some(".."));
    }
}
