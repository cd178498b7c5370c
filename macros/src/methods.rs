//! The methods of tensors that a `forward` may call: the one place to extend for a new one. Knows names only.

use crate::layers::one_slip;

/// The methods without arguments whose result has the shape of the tensor; each is one of `Value`'s.
pub const ELEMENTWISE: &[&str] = &[
    "abs",
    "cos",
    "detach",
    "erf",
    "exp",
    "expm1",
    "floor",
    "log",
    "log1p",
    "reciprocal",
    "relu",
    "rsqrt",
    "sigmoid",
    "sign",
    "sin",
    "sqrt",
    "square",
    "tanh",
];

/// What to write instead of a method of PyTorch's that writes in place, for a tensor and the argument if there is one.
pub fn instead(method: &str, tensor: &str, argument: &str) -> Option<String> {
    let base = method.strip_suffix('_')?;
    let operator = match base {
        "add" => Some("+"),
        "sub" => Some("-"),
        "mul" => Some("*"),
        "div" => Some("/"),
        _ => None,
    };
    let value = match operator {
        Some(operator) => format!("{tensor} {operator} {argument}"),
        None if base == "zero" => format!("{tensor} * 0.0"),
        None if base == "fill" => format!("{tensor} * 0.0 + {argument}"),
        None if ELEMENTWISE.contains(&base) => format!("{tensor}.{base}()"),
        None => return None,
    };
    Some(format!("{tensor} = {value}"))
}

/// The method whose name is nearly this one.
pub fn nearest(name: &str) -> Option<&'static str> {
    ELEMENTWISE.iter().copied().find(|known| known.eq_ignore_ascii_case(name) || one_slip(known, name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_sorted() {
        assert!(ELEMENTWISE.is_sorted());
    }

    #[test]
    fn in_place_methods_have_a_counterpart() {
        assert_eq!(instead("zero_", "x", ""), Some("x = x * 0.0".to_string()));
        assert_eq!(instead("add_", "x", "y"), Some("x = x + y".to_string()));
        assert_eq!(instead("relu_", "x", ""), Some("x = x.relu()".to_string()));
        assert_eq!(instead("copy_", "x", "y"), None);
        assert_eq!(instead("relu", "x", ""), None);
    }
}
