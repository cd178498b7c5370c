//! The words of reports: operations by PyTorch's names, numbers, lists. It knows names, and nothing of what was found.

use kiln_graph::Op;

/// The name of an operation in PyTorch.
pub fn word(op: &Op) -> &'static str {
    of_mnemonic(op.mnemonic()).unwrap_or("")
}

/// The name in PyTorch of the operation that the graph's text calls so.
pub fn of_mnemonic(mnemonic: &'static str) -> Option<&'static str> {
    Some(match mnemonic {
        "" => return None,
        "dot" => "matmul",
        "select" => "where",
        "window_max" => "max_pool",
        "window_sum" => "avg_pool",
        "take_rows" => "embedding",
        "conv_grad_input" | "conv_grad_weight" => "conv",
        "scatter_rows" => "index_add",
        "convert" => "to",
        "broadcast" => "expand",
        "const" => "full",
        other => other,
    })
}

/// A number with few digits.
pub fn number(x: f32) -> String {
    let magnitude = x.abs();
    match x {
        _ if x.is_nan() => "NaN".to_owned(),
        _ if x.is_infinite() => if x > 0.0 { "inf" } else { "-inf" }.to_owned(),
        _ if magnitude == 0.0 => "0".to_owned(),
        _ if !(1e-3..1e6).contains(&magnitude) => format!("{x:.3e}"),
        _ => {
            let text = format!("{x:.4}");
            text.trim_end_matches('0').trim_end_matches('.').to_owned()
        }
    }
}

/// The heading of an operand.
pub fn ordinal(position: usize, of: usize) -> String {
    if of == 1 { "operand".to_owned() } else { format!("operand {}", position + 1) }
}

/// Some names, and how many more there are.
pub fn list(names: &[String], most: usize) -> String {
    let shown: Vec<String> = names.iter().take(most).map(|name| format!("`{name}`")).collect();
    match names.len().saturating_sub(most) {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}

/// `1 result`, `2 results`.
pub fn counted(count: usize, what: &str) -> String {
    if count == 1 { format!("1 {what}") } else { format!("{count} {what}s") }
}
