//! `kiln convert`: the tensors of a file in another format, of another type, under other names.

use std::collections::BTreeMap;
use std::path::Path;

use kiln::CheckpointError;
use kiln::weights::{Element, Format, Stored, WeightsFile, WeightsWriter};

use crate::arguments::Convert;
use crate::failure::Failure;
use crate::hints::{near, open, vacant};
use crate::output::{Output, several};
use crate::selection::{is_below, select};

pub fn run(arguments: &Convert, output: &mut Output) -> Result<(), Failure> {
    let file = open(&arguments.a)?;
    let format = format_of(&arguments.b)?;
    vacant(&arguments.b, arguments.force)?;
    let names = select(file.names(), &arguments.names)?;
    if names.is_empty() {
        return Err(Failure::told(format!("{} has no tensors", file.path().display())));
    }
    let renamed = renamed(arguments, &names)?;
    let element = |name: &str| {
        let element = file.element(name).unwrap_or(Element::F32);
        arguments.to.filter(|_| element.is_float()).unwrap_or(element)
    };
    let writer = WeightsWriter::new(format).notes(file.notes_of_weights());
    let writer = renamed
        .iter()
        .fold(writer, |writer, (new, old)| writer.tensor(new, element(old), file.shape(old).unwrap_or_default()));
    let mut beyond = Vec::new();
    let written = writer.write(&arguments.b, |new| {
        let old = renamed[new];
        converted(&file, old, element(old)).map(|(stored, count)| {
            if count > 0 {
                beyond.push(format!(
                    "{} of {new} are too large for {} and became infinite",
                    several(count, "number"),
                    element(old)
                ));
            }
            stored
        })
    });
    written.map_err(|error| match format {
        Format::Npz | Format::Npy if names.iter().any(|name| element(name) == Element::BF16) => {
            Failure::told(format!("{error}; `--to f32` makes numbers of bf16 such as NumPy has"))
        }
        _ => Failure::told(error),
    })?;
    for text in beyond {
        eprintln!("kiln: {text}");
    }
    let tensors = several(renamed.len(), "tensor");
    Ok(output.line(&format!("{}: {format}, {tensors}", arguments.b.display()))?)
}

/// The format that a name of a file tells.
fn format_of(path: &Path) -> Result<Format, Failure> {
    match path.extension().and_then(|extension| extension.to_str()) {
        Some("safetensors") => Ok(Format::Safetensors),
        Some("npz") => Ok(Format::Npz),
        Some("npy") => Ok(Format::Npy),
        Some("pt" | "pth" | "bin") => Err(Failure::told(format!(
            "{}: files of PyTorch's are read and not written; .safetensors is what PyTorch reads, too, by \
             `safetensors.torch.load_file`",
            path.display()
        ))),
        _ => Err(Failure::told(format!("{}: a name ends in .safetensors, .npz or .npy", path.display()))),
    }
}

/// The names in the new file, with those in the old one.
fn renamed<'n>(arguments: &Convert, names: &[&'n str]) -> Result<BTreeMap<String, &'n str>, Failure> {
    for prefix in &arguments.strip {
        if !names.iter().any(|name| name.starts_with(prefix.as_str())) {
            let text = format!("no tensor's name begins with {prefix}: there are {}", first(names));
            return Err(Failure::told(text));
        }
    }
    let stripped =
        |name: &'n str| arguments.strip.iter().find_map(|prefix| name.strip_prefix(prefix.as_str())).unwrap_or(name);
    for (old, _) in &arguments.rename {
        if !names.iter().any(|name| is_below(old, stripped(name))) {
            let hint = near(old, names.iter().map(|name| stripped(name)));
            let hint =
                hint.map_or_else(|| format!("there are {}", first(names)), |near| format!("did you mean {near}?"));
            return Err(Failure::told(format!("no tensor to rename is called {old}: {hint}")));
        }
    }
    let mut renamed = BTreeMap::new();
    for &name in names {
        let plain = stripped(name);
        let rule = arguments.rename.iter().find(|(old, _)| is_below(old, plain));
        let new = rule.map_or_else(|| plain.to_owned(), |(old, new)| format!("{new}{}", &plain[old.len()..]));
        if let Some(other) = renamed.insert(new.clone(), name) {
            return Err(Failure::told(format!("{other} and {name} would both be called {new}")));
        }
    }
    Ok(renamed)
}

fn first(names: &[&str]) -> String {
    let first = names[..names.len().min(3)].join(", ");
    if names.len() > 3 { format!("{first} and others") } else { first }
}

/// A tensor as another type has it, and how many of its numbers became infinite.
fn converted(file: &WeightsFile, name: &str, element: Element) -> Result<(Stored, usize), CheckpointError> {
    let stored = file.read(name)?;
    if stored.element() == element {
        return Ok((stored, 0));
    }
    let infinite = |stored: &Stored| {
        let mut count = 0;
        stored.each(|numbers| count += numbers.iter().filter(|number| number.is_infinite()).count()).map(|()| count)
    };
    let converted = stored.to(element)?;
    let more = infinite(&converted)? - infinite(&stored)?;
    Ok((converted, more))
}
