//! Weights in several files with an index (`model.safetensors.index.json`), as Hugging Face's libraries write large
//! models. It knows no format of the files.

use std::collections::BTreeMap;
use std::path::{Component, Path};

use serde_json::Value;

use super::CheckpointError;
use super::seal::Notes;
use super::tensors::{self, Format, Named, Tensors};
use crate::formats::part::Part;
use kiln_graph::names::shown;

/// Whether a file begins as a text in JSON does.
pub fn is_index(path: &Path, file: &Part) -> Result<bool, CheckpointError> {
    let bytes = tensors::beginning(path, file, 1024)?;
    Ok(bytes.trim_ascii_start().starts_with(b"{") && !super::safetensors::is_one(&bytes))
}

/// The tensors that an index names, of the files beside it.
pub fn read(path: &Path, index: &Part) -> Result<Tensors, CheckpointError> {
    let foreign = |reason: String| tensors::foreign(path, Format::Index.name(), reason);
    let index = index.read().map_err(foreign)?;
    let index: Value = serde_json::from_slice(&index).map_err(|error| foreign(shown(&error.to_string())))?;
    let map = index.get("weight_map").and_then(Value::as_object);
    let map = map.ok_or_else(|| foreign("it has no `weight_map`, which tells the file of each tensor".to_owned()))?;
    let mut files: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (name, file) in map {
        let file = file.as_str().ok_or_else(|| foreign(format!("the file of {} is no text", shown(name))))?;
        files.entry(file).or_default().push(name);
    }
    let mut named = Named::new();
    for (file, names) in files {
        // A name, and nothing that leads out of the folder.
        let mut parts = Path::new(file).components();
        if !matches!((parts.next(), parts.next()), (Some(Component::Normal(_)), None)) {
            return Err(foreign(format!("it names {}, expected a file in its own folder", shown(file))));
        }
        let shard = path.with_file_name(file);
        let part = tensors::open(&shard)?;
        if is_index(&shard, &part)? {
            return Err(foreign(format!("it names {}, which is an index itself", shown(file))));
        }
        let mut here = tensors::decode(&shard, part)?.named;
        for name in names {
            let lacks = || foreign(format!("it says that {} holds {}, which it does not", shown(file), shown(name)));
            named.insert(name.to_owned(), here.remove(name).ok_or_else(lacks)?);
        }
    }
    Ok(Tensors { format: Format::Index, notes: Notes::new(), named })
}
