//! A random program as a user writes it: a `model!` with a `forward`, or with a `step` and an `eval`, and a call of the checks.

use std::fmt::Write;
use std::ops::Range;

use crate::program::{Beside, Call, Goal, Program, Rule, Sliding, Step};
use crate::words::WORDS;

/// A module with the program and a function `check`. Every second one is a model with steps of its own.
pub fn module(program: &Program) -> String {
    let seed = program.seed;
    let steps = seed % 2 == 1;
    let mut fields = String::new();
    let mut body = String::new();
    let mut parts = Vec::new();
    for (number, step) in program.steps.iter().enumerate() {
        if let Some(layer) = layer(&step.call) {
            writeln!(fields, "            layer{number}: {layer},").unwrap();
            let trained = ["Linear", "Conv", "LayerNorm", "Embedding", "RNN", "GRU", "LSTM"]
                .iter()
                .any(|name| layer.starts_with(name));
            if trained || matches!(step.call, Call::BatchNorm { affine: true, .. }) {
                parts.push(format!("layer{number}"));
            }
        }
        if let Call::Words(words) = &step.call
            && words.through == "GRU"
        {
            writeln!(fields, "            gru{number}: GRU({}, 3, batch_first = true),", words.row()).unwrap();
            parts.push(format!("gru{number}"));
        }
        writeln!(body, "            let v{} = {};", number + 1, expression(number, step)).unwrap();
    }
    let (input, last, outputs) = (extents(&program.input), program.steps.len(), program.outputs);
    let (rule, loss) = (rule(program.rule, program.beside), loss(program.goal));
    let (words, worded) = if program.takes_words() { (", words: [N, T; i32]", "_with_words") } else { ("", "") };
    let mut text = format!(
        "/// Seed {seed}.\nmod program_{seed} {{\n    use kiln::prelude::*;\n\n    model! {{\n        struct Net {{\n"
    );
    text += &fields;
    if steps {
        let (options, name) = (rule.field(), rule.name);
        let (target, call) = match program.goal {
            Goal::CrossEntropy { .. } => ("[N; i32]".to_owned(), "labels"),
            _ => (format!("[N, {outputs}]"), "values"),
        };
        let end = format!("v{last}");
        write!(text, "            opt: {name}(({}){options}),\n        }}\n\n", parts.join(", ")).unwrap();
        write!(text, "        step fit(v0: [N, {input}]{words}, y: {target}) -> (loss, {end}) {{\n{body}").unwrap();
        write!(text, "            let loss = {};\n            opt.minimize(loss);\n        }}\n\n", loss.step(&end))
            .unwrap();
        write!(text, "        eval apply(v0: [N, {input}]{words}) -> {end} {{\n{body}        }}\n    }}\n\n").unwrap();
        text += "    pub fn check() {\n";
        let call = format!("        crate::check::steps_of_{call}{worded}::<Net>(");
        text += &match worded {
            "" => format!("{call}{seed}, Net::init, |net, x, y| net.fit(x, y), |net, x| net.apply(x));\n"),
            _ => format!(
                "{call}\n            {seed},\n            Net::init,\n            |net, (x, words), y| net.fit(x, words, y),\n            \
                 |net, (x, words)| net.apply(x, words),\n        );\n"
            ),
        };
    } else {
        let declared =
            format!("        }}\n\n        fn forward(v0: [N, {input}]{words}) -> [N, {outputs}] {{\n{body}");
        write!(text, "{declared}            v{last}\n        }}\n    }}\n\n    pub fn check() {{\n").unwrap();
        let (loss, call) = (loss.trainer(outputs), loss.targets);
        writeln!(text, "        let loss = {loss};\n        let rule = {};", rule.trainer()).unwrap();
        writeln!(text, "        crate::check::{call}{worded}({seed}, Net::init, loss, rule);").unwrap();
    }
    text + "    }\n}\n"
}

/// A file of modules.
pub fn file(seeds: Range<u64>) -> String {
    let mut text = "//! Random programs as a user writes them; see `source.rs`.\n\n/// All of them.\n".to_owned();
    let checks: String = seeds.clone().map(|seed| format!("    program_{seed}::check,\n")).collect();
    text += &format!("pub const CHECKS: &[fn()] = &[\n{checks}];\n");
    for seed in seeds {
        text += "\n";
        text += &module(&Program::random(seed, None, usize::MAX));
    }
    text
}

fn extents(extents: &[usize]) -> String {
    extents.iter().map(usize::to_string).collect::<Vec<_>>().join(", ")
}

fn per_axis(values: &[usize]) -> String {
    if values.windows(2).all(|pair| pair[0] == pair[1]) {
        values[0].to_string()
    } else {
        format!("({})", extents(values))
    }
}

/// The options of a window that are not the defaults; `stride` is always said, as poolings have another default.
fn options(sliding: &Sliding) -> String {
    let mut text = format!("stride = {}", per_axis(&sliding.stride));
    if sliding.padding.iter().any(|padding| *padding > 0) {
        text += &format!(", padding = {}", per_axis(&sliding.padding));
    }
    if sliding.dilation.iter().any(|dilation| *dilation > 1) {
        text += &format!(", dilation = {}", per_axis(&sliding.dilation));
    }
    text
}

/// The field of a step, if it has one.
fn layer(call: &Call) -> Option<String> {
    let no_bias = |bias: &bool| if *bias { "" } else { ", bias = false" };
    Some(match call {
        Call::Linear { inputs, outputs, bias } => format!("Linear({inputs}, {outputs}{})", no_bias(bias)),
        Call::Conv { inputs, outputs, groups, sliding, bias } => {
            let (spatial, kernel, options) = (sliding.kernel.len(), per_axis(&sliding.kernel), options(sliding));
            let groups = if *groups > 1 { format!(", groups = {groups}") } else { String::new() };
            format!("Conv{spatial}d({inputs}, {outputs}, {kernel}, {options}{groups}{})", no_bias(bias))
        }
        Call::ConvTranspose { inputs, outputs, sliding, bias } => {
            let (spatial, kernel, options) = (sliding.kernel.len(), per_axis(&sliding.kernel), options(sliding));
            format!("ConvTranspose{spatial}d({inputs}, {outputs}, {kernel}, {options}{})", no_bias(bias))
        }
        Call::BatchNorm { channels, spatial, affine } => {
            let affine = if *affine { "" } else { ", affine = false" };
            format!("BatchNorm{}d({channels}{affine})", spatial.max(&1))
        }
        Call::LayerNorm { features } => format!("LayerNorm({features})"),
        Call::MaxPool { sliding } => {
            format!("MaxPool{}d({}, {})", sliding.kernel.len(), per_axis(&sliding.kernel), options(sliding))
        }
        Call::AvgPool { sliding, count_include_pad } => {
            let (spatial, kernel, options) = (sliding.kernel.len(), per_axis(&sliding.kernel), options(sliding));
            format!("AvgPool{spatial}d({kernel}, {options}, count_include_pad = {count_include_pad})")
        }
        Call::Upsample { factor, spatial, linear } => {
            let mode = if *linear { ["linear", "bilinear", "trilinear"][spatial - 1] } else { "nearest" };
            format!("Upsample(scale_factor = {factor}, mode = \"{mode}\")")
        }
        Call::Dropout { p } => format!("Dropout({p})"),
        Call::Recurrent { name, features, bidirectional } => {
            format!("{name}({features}, 3, batch_first = true, bidirectional = {bidirectional})")
        }
        Call::Words(words) => format!("Embedding({WORDS}, {})", words.row()),
        _ => return None,
    })
}

fn expression(number: usize, step: &Step) -> String {
    let x = format!("v{}", step.from[0]);
    let b = format!("v{}", step.from[step.from.len() - 1]);
    if let Call::Recurrent { .. } = step.call {
        return format!("{{ let (y, _) = layer{number}({x}); y }}");
    }
    if let Call::Words(words) = &step.call {
        return words.text(&format!("layer{number}"), &format!("gru{number}"));
    }
    if layer(&step.call).is_some() {
        return format!("layer{number}({x})");
    }
    match &step.call {
        Call::Function(name) => format!("{x}.{name}()"),
        Call::Positive(name) => format!("({x}.square() + 0.5).{name}()"),
        Call::Clamp { low, high } => format!("{x}.clamp({low}, {high})"),
        Call::Binary(name) if name.len() == 1 => format!("{x} {name} {b}"),
        Call::Binary(name) => format!("{x}.{name}({b})"),
        Call::Divide => format!("{x} / ({b}.square() + 1)"),
        Call::Where => format!("where({x} > {b}, {x} * 0.5, {b})"),
        Call::MaskedFill => format!("{x}.masked_fill({b} < 0.0, 0.25)"),
        Call::Reduce { name, axis } => format!("{x}.{name}({axis}, keepdim = true)"),
        Call::Along { name, axis } => format!("{x}.{name}({axis})"),
        Call::Extreme { axis } => {
            format!("{{ let (values, places) = {x}.max({axis}, keepdim = true); values + places.float() * 0.125 }}")
        }
        Call::Gather { axis } => format!("{x} + {b}.gather({axis}, {x}.argmax({axis}, keepdim = true))"),
        Call::Transpose { a, b } => format!("{x}.transpose({a}, {b})"),
        Call::Reshape { extents } => format!("{x}.reshape([N, {}])", self::extents(extents)),
        Call::Flip { axis } => format!("{x}.flip({axis})"),
        Call::Narrow { axis, start, length } => format!("{x}.narrow({axis}, {start}, {length})"),
        Call::Slice { axis, start, end, step } => format!("{x}.slice({axis}, {start}, {end}, step = {step})"),
        Call::Select { axis, index } => format!("{x}.select({axis}, {index})"),
        Call::Pad { low, high } => format!("{x}.pad([{low}, {high}])"),
        Call::Cat { axis } => format!("cat(({x}, {b}), dim = {axis})"),
        Call::Chunk { axis } => {
            format!("{{ let (front, back) = {x}.chunk(2, dim = {axis}); cat((back * 0.5, front), dim = {axis}) }}")
        }
        Call::Gram => format!("{x}.matmul({x}.transpose(-1, -2))"),
        Call::Detach => format!("{x} + {b}.detach()"),
        Call::Named(named) => named.text(&x),
        call => unreachable!("{call:?} is a layer"),
    }
}

/// An optimizer: its name, its options, and whether it has a group of its own.
struct Written {
    name: &'static str,
    options: String,
    groups: bool,
}

impl Written {
    /// As a trainer takes it.
    fn trainer(&self) -> String {
        let mut text = format!("{}::default()", self.name);
        for option in self.options.split(", ").filter(|option| !option.is_empty()) {
            let (name, value) = option.split_once(" = ").expect("an option has a name");
            text += &format!(".{name}({value})");
        }
        if self.groups {
            text += ";\n        let rule = rule.group(Select::biases_and_norms(), |opt| opt.lr(0.02))";
        }
        text
    }

    /// The options as a field has them.
    fn field(&self) -> String {
        let groups = ", groups = [(Select::biases_and_norms(), |opt| opt.lr(0.02))]";
        format!("{}{}", self.options, if self.groups { groups } else { "" })
    }
}

fn rule(rule: Rule, beside: Beside) -> Written {
    let mut options = ", lr = 0.05".to_owned();
    let mut add = |on: bool, option: &str| options += if on { option } else { "" };
    let name = match rule {
        Rule::Sgd { momentum, nesterov, weight_decay } => {
            add(momentum, ", momentum = 0.9");
            add(nesterov, ", nesterov = true");
            add(weight_decay, ", weight_decay = 0.125");
            "Sgd"
        }
        Rule::Adam { amsgrad, weight_decay } => {
            add(amsgrad, ", amsgrad = true");
            add(weight_decay, ", weight_decay = 0.125");
            add(true, ", eps = 0.01");
            "Adam"
        }
        Rule::AdamW => {
            add(true, ", eps = 0.01");
            "AdamW"
        }
        Rule::Other(name) => {
            add(true, ", eps = 0.01");
            name
        }
        Rule::RmsProp { centered, momentum } => {
            add(centered, ", centered = true");
            add(momentum, ", momentum = 0.9");
            add(true, ", eps = 0.01");
            "RMSprop"
        }
    };
    if beside.clip_grad_norm {
        options += ", clip_grad_norm = 0.5";
    }
    Written { name, options, groups: beside.groups }
}

/// A loss: what it is called, its options, which targets it takes.
struct Loss {
    name: &'static str,
    goal: Goal,
    targets: &'static str,
}

fn loss(goal: Goal) -> Loss {
    let (name, targets) = match goal {
        Goal::Mse { .. } => ("mse", "values"),
        Goal::L1 => ("l1", "values"),
        Goal::Huber => ("huber", "values"),
        Goal::Bce => ("bce_with_logits", "values"),
        Goal::CrossEntropy { .. } => ("cross_entropy", "labels"),
    };
    Loss { name, goal, targets }
}

impl Loss {
    /// Within a step.
    fn step(&self, prediction: &str) -> String {
        let options = match self.goal {
            Goal::Mse { sum: true } => ", reduction = \"sum\"",
            Goal::CrossEntropy { label_smoothing: true, ignore: true, .. } => {
                ", label_smoothing = 0.125, ignore_index = 0"
            }
            Goal::CrossEntropy { label_smoothing: true, .. } => ", label_smoothing = 0.125",
            Goal::CrossEntropy { ignore: true, .. } => ", ignore_index = 0",
            _ => "",
        };
        format!("{}({prediction}, y{options})", self.name)
    }

    /// As a trainer takes it.
    fn trainer(&self, outputs: usize) -> String {
        let mut text = format!("{}()", self.name);
        if self.goal == (Goal::Mse { sum: true }) {
            text += ".reduction(kiln::losses::Reduction::Sum)";
        }
        if let Goal::CrossEntropy { label_smoothing, weight, ignore } = self.goal {
            text += if label_smoothing { ".label_smoothing(0.125)" } else { "" };
            text += if ignore { ".ignore_index(0)" } else { "" };
            if weight {
                let weights: Vec<String> = (0..outputs).map(|class| format!("{}.5", class % 3)).collect();
                text += &format!(".weight(&[{}])", weights.join(", "));
            }
        }
        text
    }
}
