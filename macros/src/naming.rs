//! The name under which the crate that calls a macro knows Kiln: what expands refers to it by that. A struct may say
//! it, `#[model(crate = path)]`; else it is looked up in the crate's `Cargo.toml`.

mod manifest;

use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::{env, fs};

use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens, quote_spanned};

use self::manifest::Manifest;

/// The path to Kiln, where it is interpolated: `#KILN::graph::Value`.
pub const KILN: Kiln = Kiln;

/// See [`KILN`].
#[derive(Clone, Copy)]
pub struct Kiln;

/// Names behind one another; whether `::` stands first.
#[derive(Clone, Default)]
struct Name {
    leading: bool,
    segments: Vec<Ident>,
}

impl Name {
    fn of_crate(name: &str) -> Name {
        Name { leading: true, segments: vec![Ident::new(&name.replace('-', "_"), Span::call_site())] }
    }
}

thread_local! {
    static NAME: RefCell<Name> = RefCell::default();
}

impl Kiln {
    /// The path, at a place.
    pub fn at(self, place: Span) -> TokenStream {
        NAME.with_borrow(|Name { leading, segments }| {
            let segments = segments.iter().map(|segment| {
                let mut segment = segment.clone();
                segment.set_span(segment.span().located_at(place));
                segment
            });
            if *leading { quote_spanned!(place=> #(::#segments)*) } else { quote_spanned!(place=> #(#segments)::*) }
        })
    }
}

impl ToTokens for Kiln {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        tokens.extend(self.at(Span::mixed_site()));
    }
}

/// Forgets the name when it is dropped, as tokens must not outlive the call of a macro.
#[must_use]
pub struct Known;

impl Drop for Known {
    fn drop(&mut self) {
        NAME.take();
    }
}

/// Sets the path for this call of a macro: the one that the struct says, or the one found.
///
/// # Errors
/// What to do, if the calling crate depends on Kiln by no name.
pub fn set(said: Option<&syn::Path>) -> Result<Known, &'static str> {
    let name = match said {
        Some(path) => {
            let segments = path.segments.iter().map(|segment| segment.ident.clone()).collect();
            Name { leading: path.leading_colon.is_some(), segments }
        }
        None => match env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from).and_then(|folder| read(&folder)) {
            Some(found) => {
                let name = found.ok_or(MESSAGE)?;
                // Where nobody gives it another name, it has its library's.
                Name::of_crate(if name == PACKAGE { LIBRARY } else { &name })
            }
            // Something else than cargo compiles it.
            None => Name::of_crate(LIBRARY),
        },
    };
    NAME.set(name);
    Ok(Known)
}

/// The package whose types and traits the macros name, as manifests call it, and its library; CONTRIBUTING says who publishes
/// it under another name, and what is to be changed then.
const PACKAGE: &str = "kiln";
const LIBRARY: &str = "kiln";

const MESSAGE: &str = "what this expands to uses the crate `kiln`, which the Cargo.toml of this crate names nowhere: add it \
                       (under any name: `nn = { package = \"kiln\", .. }`), or, where another crate hands it on, say where \
                       it is: `#[model(crate = other::kiln)]` on the struct";

/// The name that a package's manifest gives to Kiln, or that it gives none; nothing if there is no manifest.
fn read(folder: &Path) -> Option<Option<String>> {
    let manifest = Manifest::read(&fs::read_to_string(folder.join("Cargo.toml")).ok()?);
    let workspace = || {
        if let Some(path) = manifest.workspace() {
            return fs::read_to_string(folder.join(path).join("Cargo.toml")).ok();
        }
        let texts = folder.ancestors().filter_map(|folder| fs::read_to_string(folder.join("Cargo.toml")).ok());
        texts.into_iter().find(|text| Manifest::read(text).is_workspace())
    };
    Some(manifest.name_of(PACKAGE, || workspace().map(|text| Manifest::read(&text))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_is_said_or_found() {
        let text = |said: &str| {
            let said = syn::parse_str(said).expect("a path");
            let _known = set(Some(&said)).expect("it is said");
            KILN.to_token_stream().to_string().replace(' ', "")
        };
        for said in ["nn", "::a::b", "crate::x::kiln"] {
            assert_eq!(text(said), said);
        }
        // The command depends on Kiln; this crate does not.
        let found = |folder: &str| read(&Path::new(env!("CARGO_MANIFEST_DIR")).join(folder));
        assert_eq!(found("../cli"), Some(Some("kiln".to_owned())));
        assert_eq!(found("."), Some(None));
        assert_eq!(found("src"), None);
        assert!(NAME.with_borrow(|name| name.segments.is_empty()));
    }
}
