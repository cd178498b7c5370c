//! The layers that Kiln has, each with its arguments in PyTorch's order: the one place to extend for a new layer.
//! Knows names and kinds of arguments, and nothing of what a layer computes.

mod applied;
mod families;
mod lacking;
mod sequences;
mod table;

pub use applied::{Applied, Method};
pub use lacking::instead_of_option;
pub use table::{FUNCTIONS, INSTEAD, LAYERS};

/// The option of every layer and every model: whether its parameters are trained.
pub const REQUIRES_GRAD: &str = "requires_grad";

/// The options that decide on which parameters a layer has, and on their shapes.
pub const STRUCTURE: &[&str] = &[
    "add_bias_kv",
    "affine",
    "bias",
    "bidirectional",
    "cutoffs",
    "dim_feedforward",
    "div_value",
    "elementwise_affine",
    "groups",
    "head_bias",
    "kdim",
    "num_layers",
    "num_parameters",
    "proj_size",
    "shape",
    "track_running_stats",
    "vdim",
];

/// A layer of Kiln.
pub struct Known {
    /// The name of its type.
    pub name: &'static str,
    /// The type that holds its options; `NoSettings` if there are none.
    pub settings: &'static str,
    /// The arguments, PyTorch's names and order; those in the type's angle brackets come first.
    pub parameters: &'static [Parameter],
    /// Whether its input is indices (i32), and not numbers (f32).
    pub indexed: bool,
    /// How it is applied, if it takes or gives more than one tensor.
    pub applied: Option<&'static Applied>,
    /// What else it computes, as methods of a body, each of which gives one tensor.
    pub methods: &'static [Method],
    /// Whether what it holds is fixed, though its arguments are named as those of weights.
    pub is_fixed: bool,
    /// Its parameters that a body may use as values; the empty name is that of the layer itself.
    pub values: &'static [&'static str],
    /// The name of the argument and of the layer that it repeats, whose arguments are among its own.
    pub repeats: Option<(&'static str, &'static str)>,
}

/// One argument of a layer.
pub struct Parameter {
    pub name: &'static str,
    pub role: Role,
    pub kind: Kind,
}

/// Where an argument goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Into the angle brackets of the type; required.
    Dimension,
    /// Into the settings, by the method of the same name; has a default.
    Setting,
}

/// What an argument may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A `usize`.
    Size,
    /// One `usize` for all spatial axes, or a tuple of one for each of so many; 0 stands for 1 to 3.
    PerAxis(usize),
    /// As [`Kind::PerAxis`], of `f64`s.
    Factors(usize),
    /// As [`Kind::PerAxis`], or `"same"` or `"valid"`.
    Padding(usize),
    /// As [`Kind::PerAxis`], but each may be `None`: as large as the input.
    OutputSize(usize),
    /// One `isize` for all sides, or a tuple of so many.
    Sides(usize),
    /// A tuple or an array of up to so many `isize`s.
    Parts(usize),
    /// A tuple or an array of up to so many `usize`s, or these by position.
    Shape(usize),
    /// One `usize`, or a tuple or an array of up to so many.
    Extents(usize),
    /// An `isize`: an axis, counted from the end if negative.
    Axis,
    /// As [`Kind::Axis`], or `None`.
    OptionalAxis,
    /// A `usize`, or `None`.
    OptionalSize,
    /// An `f64`.
    Number,
    /// An `f64`, or `None`.
    Optional,
    /// A `bool`.
    Flag,
    /// One of a few words, or a value of the type that they name.
    Choice(&'static Choice),
}

/// Words that name the variants of an enumeration in `kiln::layers`.
#[derive(Debug, PartialEq, Eq)]
pub struct Choice {
    /// The enumeration.
    pub of: &'static str,
    /// PyTorch's words, and the variants.
    pub words: &'static [(&'static str, &'static str)],
}

const fn dimension(name: &'static str, kind: Kind) -> Parameter {
    Parameter { name, role: Role::Dimension, kind }
}

const fn setting(name: &'static str, kind: Kind) -> Parameter {
    Parameter { name, role: Role::Setting, kind }
}

impl Known {
    /// The layer of this name.
    pub fn find(name: &str) -> Option<&'static Known> {
        LAYERS.iter().find(|layer| layer.name == name)
    }

    /// The layer that PyTorch has as a function of this name, too: `max_pool2d`.
    pub fn written_in_snake_case(name: &str) -> Option<&'static Known> {
        let plain = name.replace('_', "");
        LAYERS.iter().find(|layer| layer.name.to_lowercase() == plain)
    }

    /// The layer whose name is nearly this one: another case, or one letter too many, too few, wrong or swapped.
    ///
    /// A name that holds the layer's whole (`Linear2`, `MyLinear`) is one of the user's own.
    pub fn nearest(name: &str) -> Option<&'static Known> {
        LAYERS.iter().find(|layer| {
            layer.name.eq_ignore_ascii_case(name) || (!name.contains(layer.name) && one_slip(layer.name, name))
        })
    }

    /// Whether it may have parameters that are trained: whether an argument says how many features they are for.
    pub fn has_parameters(&self) -> bool {
        const OF_WEIGHTS: [&str; 12] = [
            "in_features",
            "in1_features",
            "in_channels",
            "num_features",
            "num_channels",
            "normalized_shape",
            "num_embeddings",
            "num_parameters",
            "shape",
            "input_size",
            "embed_dim",
            "d_model",
        ];
        !self.is_fixed && self.parameters.iter().any(|parameter| OF_WEIGHTS.contains(&parameter.name))
    }

    /// Whether it has these parameters where nothing else is said.
    pub fn is_affine(&self) -> bool {
        !self.name.starts_with("InstanceNorm")
    }

    /// The parameters in the type's angle brackets.
    pub fn dimensions(&self) -> impl Iterator<Item = &'static Parameter> + use<> {
        self.parameters.iter().filter(|parameter| parameter.role == Role::Dimension)
    }

    /// The parameters that have a default.
    pub fn options(&self) -> impl Iterator<Item = &'static Parameter> + use<> {
        self.parameters.iter().filter(|parameter| parameter.role == Role::Setting)
    }
}

/// Whether two words differ by one letter that is wrong, missing or extra, or by two neighbours that are swapped.
pub fn one_slip(left: &str, right: &str) -> bool {
    let (left, right): (Vec<char>, Vec<char>) = (left.chars().collect(), right.chars().collect());
    let same_start = left.iter().zip(&right).take_while(|(l, r)| l == r).count();
    let (left, right) = (&left[same_start..], &right[same_start..]);
    match (left, right) {
        ([], []) => false,
        ([l0, l1, left @ ..], [r0, r1, right @ ..]) if l0 == r1 && l1 == r0 && left == right => true,
        _ => {
            let after = |word: &[char]| word.get(1..).unwrap_or_default().to_vec();
            after(left) == after(right) || after(left) == right || left == after(right)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tables_are_sorted_and_disjoint() {
        let names: Vec<&str> = LAYERS.iter().map(|layer| layer.name).collect();
        assert!(names.is_sorted(), "{names:?}");
        assert!(INSTEAD.is_sorted());
        assert!(INSTEAD.iter().all(|(name, _)| Known::find(name).is_none()));
        assert!(FUNCTIONS.iter().all(|(name, _)| Known::find(name).is_none()));
    }

    #[test]
    fn dimensions_come_first() {
        for layer in LAYERS {
            assert!(layer.parameters.is_sorted_by_key(|parameter| parameter.role == Role::Setting), "{}", layer.name);
            assert_eq!(layer.settings != "NoSettings", layer.options().count() > 0, "{}", layer.name);
        }
    }

    #[test]
    fn near_misses_are_found_and_names_of_the_users_own_are_not() {
        let cases = [
            ("Linaer", Some("Linear")),
            ("Liner", Some("Linear")),
            ("Relu", Some("ReLU")),
            ("Conv2D", Some("Conv2d")),
            ("Flattern", Some("Flatten")),
            ("Maxpool2d", Some("MaxPool2d")),
            ("Linear2", None),
            ("MyLinear", None),
            ("Block", None),
            ("Tank", Some("Tanh")),
            ("Convolution", None),
        ];
        for (name, expected) in cases {
            assert_eq!(Known::nearest(name).map(|layer| layer.name), expected, "{name}");
        }
    }
}
