//! The file of a machine's choices: `KILN_CACHE/`, else `XDG_CACHE_HOME/kiln/` or `~/.cache/kiln/`, one file for each
//! processor, emitter and version of Kiln. It knows texts and choices; it does not know what they mean.
//!
//! ```text
//! {"kiln": "0.1.0", "machine": "..", "contractions": {"dot [64, 10] ..": {"recipe": "..", "seconds": 1e-6, "usual": "..", "usual_seconds": 1e-6}}}
//! ```
//!
//! A file that is no such thing (cut short, edited) is worth no failure: all of it can be measured again. It counts as
//! empty, the report says so, and the next choice replaces it. A file or folder that can not be read or written is an
//! error: only the user can tell where choices are to be kept.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use kiln_jit::{Choice, Choices, Target};
use serde_json::{Map, Value, json};

use super::TuningError;
use crate::files::{check_replaceable, make_folder_of, replace_file};
use kiln_graph::names::shown;

const VERSION: &str = env!("CARGO_PKG_VERSION");

/// How often, and how long in between, another process is waited for that writes its choices. Whoever waits longer goes on: no
/// process takes as long, and at worst some choices are lost.
const WAITS: usize = 200;
const WAIT: Duration = Duration::from_millis(10);

/// The file of one machine.
pub struct Cache {
    path: PathBuf,
    machine: String,
}

impl Cache {
    /// In the folder that the environment names.
    pub fn of(target: &Target) -> Result<Cache, TuningError> {
        Ok(Cache::within(&folder(|name| std::env::var_os(name)).ok_or(TuningError::NoFolder)?, target))
    }

    fn within(folder: &Path, target: &Target) -> Cache {
        let machine = target.machine();
        let words = machine.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
        let name = words.collect::<Vec<_>>().join("-").to_lowercase();
        Cache { path: folder.join(format!("{name}-{VERSION}.json")), machine }
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The choices; and what is wrong with the file, if it counts as empty for that.
    pub fn read(&self) -> Result<(Choices, Option<String>), TuningError> {
        let text = match fs::read(&self.path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok((Choices::new(), None)),
            Err(source) => return Err(TuningError::Read { path: self.path.clone(), source }),
        };
        Ok(self.parse(&text).map_or_else(|reason| (Choices::new(), Some(reason)), |choices| (choices, None)))
    }

    /// That choices can be written, as far as that can be known before.
    pub fn check_writable(&self) -> Result<(), TuningError> {
        self.lock_file()?;
        check_replaceable(&self.path).map_err(|source| self.not_written(source))
    }

    /// Adds choices to the file; gives all that are in it then. `known` is what it held when they were measured: what another
    /// process has chosen since then stays as it is, so that both get the same.
    pub fn add(&self, known: &Choices, measured: Choices) -> Result<Choices, TuningError> {
        let file = self.lock_file()?;
        // Not every file system has locks.
        for _ in 0..WAITS {
            match file.try_lock() {
                Err(TryLockError::WouldBlock) => std::thread::sleep(WAIT),
                Ok(()) | Err(TryLockError::Error(_)) => break,
            }
        }
        let (mut choices, damaged) = self.read()?;
        let mut changed = damaged.is_some();
        for (problem, choice) in measured.iter() {
            if choices.get(problem) == known.get(problem) || damaged.is_some() {
                choices.insert(problem.to_owned(), choice.clone());
                changed = true;
            }
        }
        if changed {
            replace_file(&self.path, self.text(&choices).as_bytes()).map_err(|source| self.not_written(source))?;
        }
        Ok(choices)
    }

    /// Whoever writes holds this file.
    fn lock_file(&self) -> Result<File, TuningError> {
        let path = self.path.with_extension("lock");
        let file = make_folder_of(&path).and_then(|()| File::options().create(true).append(true).open(path));
        file.map_err(|source| self.not_written(source))
    }

    fn not_written(&self, source: io::Error) -> TuningError {
        TuningError::Write { path: self.path.clone(), source }
    }

    fn text(&self, choices: &Choices) -> String {
        let one = |(problem, choice): (&str, &Choice)| {
            let Choice { recipe, seconds, usual, usual_seconds } = choice;
            let value = json!({"recipe": recipe, "seconds": seconds, "usual": usual, "usual_seconds": usual_seconds});
            (problem.to_owned(), value)
        };
        let contractions: Map<String, Value> = choices.iter().map(one).collect();
        format!("{:#}\n", json!({"kiln": VERSION, "machine": self.machine, "contractions": contractions}))
    }

    fn parse(&self, text: &[u8]) -> Result<Choices, String> {
        let file: Value = serde_json::from_slice(text).map_err(|error| error.to_string())?;
        for (field, expected) in [("kiln", VERSION), ("machine", &self.machine)] {
            if file[field] != expected {
                return Err(format!("`{field}` is {}, expected \"{expected}\"", shown(&file[field].to_string())));
            }
        }
        let contractions = file["contractions"].as_object().ok_or("it has no `contractions`")?;
        let mut choices = Choices::new();
        for (problem, value) in contractions {
            let text = |field: &str| value[field].as_str().map(str::to_owned);
            let number = |field: &str| value[field].as_f64();
            let choice = || {
                let (seconds, usual_seconds) = (number("seconds")?, number("usual_seconds")?);
                Some(Choice { recipe: text("recipe")?, seconds, usual: text("usual")?, usual_seconds })
            };
            choices.insert(
                problem.clone(),
                choice().ok_or_else(|| format!("the entry of `{}` is not complete", shown(problem)))?,
            );
        }
        Ok(choices)
    }
}

/// The folder that variables name; nothing if there is none. Empty ones count as not set, and a relative `XDG_CACHE_HOME`, too, as its
/// specification says.
fn folder(variable: impl Fn(&str) -> Option<std::ffi::OsString>) -> Option<PathBuf> {
    let given = |name: &str| variable(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let home = || Some(std::env::home_dir()?.join(".cache"));
    let caches = || given("XDG_CACHE_HOME").filter(|path| path.is_absolute()).or_else(home);
    given("KILN_CACHE").or_else(|| Some(caches()?.join("kiln")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ffi::OsString;

    fn choices(entries: &[(&str, &str)]) -> Choices {
        let mut choices = Choices::new();
        for (problem, recipe) in entries {
            let choice = Choice {
                recipe: (*recipe).to_owned(),
                seconds: 1.5e-6,
                usual: "the usual".to_owned(),
                usual_seconds: 0.1,
            };
            choices.insert((*problem).to_owned(), choice);
        }
        choices
    }

    fn check(name: &str, body: impl Fn(&dyn Fn() -> Cache)) {
        // `CARGO_TARGET_TMPDIR` is not for tests within a crate, and the program's own folder may be read-only.
        let folder = std::env::temp_dir().join(format!("kiln-cache-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        body(&|| Cache::within(&folder.join("deep"), &Target::with_lanes(8)));
        fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn what_is_written_is_read() {
        check("written", |cache| {
            assert_eq!(cache().read().unwrap(), (Choices::new(), None));
            let all = choices(&[("a \"quoted\" one", "x #1"), ("b", "y #2")]);
            assert_eq!(cache().add(&Choices::new(), all.clone()).unwrap(), all);
            assert_eq!(cache().read().unwrap(), (all, None));
        });
    }

    #[test]
    fn what_another_process_has_chosen_stays() {
        check("merged", |cache| {
            let known = choices(&[("stale", "gone")]);
            cache().add(&Choices::new(), known.clone()).unwrap();
            // Another one measures what this one is about to measure, and more.
            cache().add(&known, choices(&[("a", "theirs"), ("b", "theirs")])).unwrap();
            let all = cache().add(&known, choices(&[("a", "ours"), ("c", "ours"), ("stale", "ours")])).unwrap();
            assert_eq!(all, choices(&[("a", "theirs"), ("b", "theirs"), ("c", "ours"), ("stale", "ours")]));
            assert_eq!(cache().read().unwrap(), (all, None));
        });
    }

    #[test]
    fn nothing_is_lost_between_writers() {
        check("writers", |cache| {
            let caches: Vec<Cache> = (0..8).map(|_| cache()).collect();
            std::thread::scope(|scope| {
                for (number, cache) in caches.iter().enumerate() {
                    scope.spawn(move || {
                        for turn in 0..5 {
                            let problem = format!("{number} {turn}");
                            cache.add(&Choices::new(), choices(&[(&problem, "recipe")])).unwrap();
                        }
                    });
                }
            });
            assert_eq!(cache().read().unwrap().0.len(), 40);
        });
    }

    #[test]
    fn folders_are_named_by_the_environment() {
        let home = std::env::home_dir().map(|home| home.join(".cache/kiln"));
        type Variables = &'static [(&'static str, &'static str)];
        let cases: [(Variables, Option<PathBuf>); 5] = [
            (&[("KILN_CACHE", "here"), ("XDG_CACHE_HOME", "/there")], Some("here".into())),
            (&[("KILN_CACHE", ""), ("XDG_CACHE_HOME", "/there")], Some("/there/kiln".into())),
            (&[("XDG_CACHE_HOME", "relative")], home.clone()),
            (&[("XDG_CACHE_HOME", "")], home.clone()),
            (&[], home),
        ];
        for (variables, expected) in cases {
            let variable =
                |name: &str| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| OsString::from(value));
            assert_eq!(folder(variable), expected, "{variables:?}");
        }
    }

    #[test]
    fn each_machine_has_a_file() {
        let name = |lanes: usize| Cache::within(Path::new("/"), &Target::with_lanes(lanes)).path().to_owned();
        assert_ne!(name(4), name(8));
        let text = name(8).display().to_string();
        assert!(text.ends_with(&format!("-avx2-8-lanes-32-1024-kib-{VERSION}.json")), "{text}");
    }
}
