//! The libraries that cargo has built for a test, and rustc with them: to compile what a user might write without a package for
//! it and without building anything again.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Libraries by their names.
pub struct Libraries(Vec<(String, PathBuf)>);

impl Libraries {
    /// Those that the test of this package is linked with. It asks cargo, which builds nothing if all is as it was.
    pub fn of(test: &str, names: &[&str]) -> Libraries {
        Libraries::with_features(test, names, "")
    }

    /// Those of a test that is built with such features.
    pub fn with_features(test: &str, names: &[&str], features: &str) -> Libraries {
        // The program is `<target>/<profile>/deps/..`, the folder for tests `<target>/tmp`.
        let program = env::current_exe().unwrap();
        let profile = program.ancestors().nth(2).and_then(|folder| folder.file_name()?.to_str()).unwrap();
        let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap();
        let mut cargo = Command::new(env::var_os("CARGO").unwrap_or("cargo".into()));
        cargo.args([
            "test",
            "--no-run",
            "--test",
            test,
            "--message-format=json",
            "--offline",
            "--features",
            features,
            "--profile",
        ]);
        cargo.arg(if profile == "debug" { "test" } else { profile }).arg("--target-dir").arg(target);
        let output = cargo.current_dir(env!("CARGO_MANIFEST_DIR")).output().expect("cargo runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let mut libraries = Vec::new();
        for line in String::from_utf8_lossy(&output.stdout).lines() {
            let message: serde_json::Value = serde_json::from_str(line).unwrap();
            let name = names.iter().find(|name| message["target"]["name"] == **name);
            let files = message["filenames"].as_array().map_or(&[][..], |files| files);
            let file = files.iter().filter_map(|file| file.as_str()).find(|file| file.ends_with(".rlib"));
            if let (Some(name), Some(file)) = (name, file) {
                libraries.push((name.to_string(), PathBuf::from(file)));
            }
        }
        assert_eq!(libraries.len(), names.len(), "{libraries:?}");
        Libraries(libraries)
    }

    /// The compiler that cargo uses, with these libraries.
    pub fn rustc(&self) -> Command {
        let mut rustc = self.rustc_without_names();
        for (name, file) in &self.0 {
            rustc.arg("--extern").arg(format!("{name}={}", file.display()));
        }
        rustc
    }

    /// The compiler, which finds these libraries, but under no name.
    pub fn rustc_without_names(&self) -> Command {
        let beside_cargo = env::var_os("CARGO").map(|cargo| Path::new(&cargo).with_file_name("rustc"));
        let known = env::var_os("RUSTC").map(PathBuf::from).or(beside_cargo.filter(|rustc| rustc.exists()));
        let mut rustc = Command::new(known.unwrap_or_else(|| "rustc".into()));
        rustc.args(["--edition", "2024"]);
        for (_, file) in &self.0 {
            rustc.arg("-L").arg(format!("dependency={}", file.parent().unwrap().display()));
        }
        rustc
    }

    /// Where a library is.
    #[allow(dead_code, reason = "for tests that give it another name")]
    pub fn file(&self, name: &str) -> &Path {
        &self.0.iter().find(|(known, _)| known == name).expect("a known library").1
    }
}
