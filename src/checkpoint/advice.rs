//! What to do where a file has other names than the model: which prefix they have, by which wrapper of PyTorch, or
//! whether the file is that of a part. It knows names and nothing else.

use std::collections::HashSet;

use kiln_graph::names::shown;

/// What PyTorch's wrappers put into names: data parallelism, `torch.compile`, sharding, checkpointing of activations.
const WRAPPERS: [&str; 4] = ["module.", "_orig_mod.", "_fsdp_wrapped_module.", "_checkpoint_wrapped_module."];

/// A sentence to follow an error about names that are `missing` from the file, which has `unexpected` ones; empty where the
/// names tell nothing.
pub fn advice(missing: &[String], unexpected: &[String]) -> String {
    // Where it explains less than half of the names, it is chance.
    let enough = missing.len().div_ceil(2);
    if let Some(prefix) = common(missing, unexpected, enough) {
        let prefix = shown(prefix);
        return format!(
            "; the file's names begin with `{prefix}`: take that off with `load_with(path, LoadOptions::new().prefix(\"{prefix}\"))`"
        );
    }
    if let Some(wrapper) = wrapper(missing, unexpected, enough) {
        return format!(
            "; the file's names have `{wrapper}` in them: take that out with `load_with(path, LoadOptions::new().rename(|name| \
             name.replace(\"{wrapper}\", \"\")))`"
        );
    }
    if let Some(prefix) = common(unexpected, missing, unexpected.len()) {
        let part = prefix.trim_end_matches('.');
        return format!(
            "; the file holds the model's part `{part}`: load it there, as with `model.{}.load(path)`",
            place(part)
        );
    }
    if missing.is_empty() || unexpected.is_empty() {
        return String::new();
    }
    "; other names are taken by `load_with(path, LoadOptions::new().rename(..))`, and what both have by `.strict(false)`".into()
}

/// A part as Rust has it: `linears[0].act` for `linears.0.act`. (Where a number is not that of an array but of a tuple, rustc says so.)
fn place(part: &str) -> String {
    let mut names = part.split('.');
    let first = names.next().unwrap_or_default().to_owned();
    let number = |name: &str| name.bytes().all(|byte| byte.is_ascii_digit());
    names.fold(first, |place, name| if number(name) { format!("{place}[{name}]") } else { format!("{place}.{name}") })
}

/// What `longer` names have before `shorter` ones, in at least so many cases: the prefix, which ends in a dot, of the most.
fn common<'a>(shorter: &[String], longer: &'a [String], enough: usize) -> Option<&'a str> {
    let first = shorter.first()?;
    let prefixes = longer.iter().filter_map(|name| name.strip_suffix(first.as_str()));
    let prefixes: HashSet<&str> = prefixes.filter(|prefix| prefix.ends_with('.')).collect();
    let names: HashSet<&str> = longer.iter().map(String::as_str).collect();
    let covered =
        |prefix: &str| shorter.iter().filter(|name| names.contains(format!("{prefix}{name}").as_str())).count();
    let counted = prefixes.into_iter().map(|prefix| (covered(prefix), prefix));
    // Of several that explain as much the first in the alphabet, so that a text does not depend on a hash.
    let best = counted.max_by(|a, b| a.0.cmp(&b.0).then(b.1.cmp(a.1)));
    best.filter(|(count, _)| *count >= enough.max(1)).map(|(_, prefix)| prefix)
}

/// The wrapper without whose word the file's names are the missing ones.
fn wrapper(missing: &[String], unexpected: &[String], enough: usize) -> Option<&'static str> {
    let missing: HashSet<&str> = missing.iter().map(String::as_str).collect();
    let covers = |wrapper: &&str| {
        let plain = unexpected.iter().filter(|name| name.contains(*wrapper)).map(|name| name.replace(*wrapper, ""));
        plain.filter(|name| missing.contains(name.as_str())).count() >= enough.max(1)
    };
    WRAPPERS.into_iter().find(covers)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes_and_wrappers_are_recognised() {
        let model = ["backbone.c.weight", "backbone.c.bias", "head.weight", "head.bias"];
        let with =
            |prefix: &str, names: &[&str]| names.iter().map(|name| format!("{prefix}{name}")).collect::<Vec<_>>();
        let missing = with("", &model);
        for prefix in ["module.", "_orig_mod.", "module._orig_mod.", "net.0.", "state_dict."] {
            for left_out in 0..3 {
                let text = advice(&missing, &with(prefix, &model[..4 - left_out]));
                assert!(
                    text.contains(&format!("`load_with(path, LoadOptions::new().prefix(\"{prefix}\"))`")),
                    "{text}"
                );
            }
        }
        // A part of a file, and a file of a part.
        let part = with("", &["c.weight", "c.bias"]);
        assert!(advice(&part, &missing).contains(".prefix(\"backbone.\")"));
        assert!(advice(&missing, &part).ends_with("load it there, as with `model.backbone.load(path)`"));
        let inside =
            with("", &["backbone._orig_mod.c.weight", "backbone._orig_mod.c.bias", "head.weight", "head.bias"]);
        assert!(advice(&missing[..2], &inside[..2]).contains("name.replace(\"_orig_mod.\", \"\")"));
        let listed = with("blocks.3.fc.", &["weight", "bias"]);
        assert!(advice(&listed, &with("", &["weight", "bias"])).ends_with("`model.blocks[3].fc.load(path)`"));
        // Where the names tell nothing, what takes any.
        for found in [with("", &["x", "y"]), with("other", &model), with("", &["module.head.bias"])] {
            assert!(advice(&missing, &found).starts_with("; other names are taken by `load_with("), "{found:?}");
        }
        assert_eq!(advice(&missing, &[]), "");
        assert_eq!(advice(&[], &missing), "");
    }
}
