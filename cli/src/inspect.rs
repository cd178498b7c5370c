//! `kiln inspect`: what a file of weights holds.

use kiln::checkpoints::Run;
use kiln::onnx::Description;
use kiln::weights::{Format, WeightsFile};
use serde_json::{Map, Value, json};

use crate::arguments::{Inspect, Sort};
use crate::failure::Failure;
use crate::hints::open;
use crate::output::{Output, Style, bytes, counted, cut, several, short};
use crate::selection::select;
use crate::statistics::{Finite, Statistics, bar};

/// The bins of a histogram in JSON, and of one that is drawn with a line for each.
const BINS: usize = 20;

pub fn run(arguments: &Inspect, output: &mut Output) -> Result<(), Failure> {
    let file = open(&arguments.file)?;
    let mut names = select(file.names(), &arguments.names)?;
    if let Sort::Size = arguments.sort {
        // Those of one size stay in the order of names.
        names.sort_by_key(|name| std::cmp::Reverse(count(&file, name)));
    }
    if arguments.json {
        return json_of(&file, &names, arguments.list, output);
    }
    head(&file, &names, output)?;
    let widest = names.iter().map(|name| name.chars().count()).max().unwrap_or(0);
    let column = widest.clamp(8, (output.width() / 2).max(8));
    let elements = names.iter().filter_map(|name| file.element(name)).map(|element| element.name().len());
    let types = elements.max().unwrap_or(0);
    for name in &names {
        let (Some(element), Some(shape)) = (file.element(name), file.shape(name)) else { continue };
        let numbers = several(count(&file, name), "number");
        let shown = cut(name, column);
        let space = column - shown.chars().count();
        let line = format!("{}{:space$}  {element:<types$} {shape:?}", output.styled(Style::Strong, &shown), "");
        output.line(&format!("{line}  {}", output.styled(Style::Faint, &numbers)))?;
        if arguments.list {
            continue;
        }
        // As many bins as there are columns beside the smallest and the largest number.
        let bins = output.width().saturating_sub(2 * 11 + 34).clamp(8, 40);
        let drawn = if names.len() == 1 { BINS } else { bins };
        match Statistics::of(&file.read(name)?, drawn)? {
            Some(statistics) if names.len() == 1 => alone(&statistics, output)?,
            Some(statistics) => in_a_line(&statistics, output)?,
            None => output.line(&format!("  {}", output.styled(Style::Faint, "numbers of this type are not read")))?,
        }
    }
    Ok(())
}

fn count(file: &WeightsFile, name: &str) -> usize {
    file.shape(name).map_or(0, |shape| shape.iter().product())
}

/// Bytes that a tensor's numbers take.
fn size(file: &WeightsFile, name: &str) -> u64 {
    (count(file, name) as u64).saturating_mul(file.element(name).map_or(0, |element| element.width() as u64))
}

/// What is said of the whole file.
fn head(file: &WeightsFile, names: &[&str], output: &mut Output) -> Result<(), Failure> {
    let run = file.run();
    let all = file.names().count();
    let tensors = if names.len() == all { several(all, "tensor") } else { format!("{} of {all} tensors", names.len()) };
    // A checkpoint of a training also holds what optimizers keep.
    let thing = if run.is_some() { "number" } else { "parameter" };
    let numbers = several(names.iter().map(|name| count(file, name)).sum(), thing);
    let size = bytes(names.iter().map(|name| size(file, name)).sum());
    let path = output.styled(Style::Strong, &file.path().display().to_string());
    output.line(&format!("{path}: {}, {tensors}, {numbers}, {size}", file.format()))?;
    for (key, text) in file.notes_of_weights() {
        output.line(&cut(&format!("  {key}: {text}"), output.width()))?;
    }
    if file.format() == Format::Onnx {
        network(&Description::of(file.path())?, output)?;
    }
    if let Some(run) = run {
        let Run { epoch, batch, step, .. } = run;
        let sealed = if file.is_sealed() { ", with checksums" } else { "" };
        output.line(&format!("  checkpoint of a training: epoch {epoch}, batch {batch}, step {step}{sealed}"))?;
        let mut line = String::new();
        for curve in run.history.curves() {
            let Some(last) = curve.points.last() else { continue };
            let figure = format!("  {} {}", curve.name, short(last.value));
            if line.chars().count() + figure.chars().count() > output.width() && !line.is_empty() {
                output.line(&line)?;
                line.clear();
            }
            line += &figure;
        }
        if !line.is_empty() {
            output.line(&line)?;
        }
    }
    Ok(())
}

/// What an ONNX file says of its network.
fn network(found: &Description, output: &mut Output) -> Result<(), Failure> {
    let Description { opset, producer, inputs, outputs, operators } = found;
    let written = if producer.is_empty() { String::new() } else { format!(", written by {producer}") };
    output.line(&cut(&format!("  opset {opset}{written}"), output.width()))?;
    for (what, values) in [("takes", inputs), ("gives", outputs)] {
        for value in values {
            output.line(&cut(&format!("  {what} {value}"), output.width()))?;
        }
    }
    let mut counted: Vec<(&String, &usize)> = operators.iter().collect();
    counted.sort_by_key(|(name, count)| (std::cmp::Reverse(**count), *name));
    let mut line = format!("  {}:", several(operators.values().sum(), "operator"));
    for (name, count) in counted {
        let word = cut(&format!(" {count} {name}"), output.width());
        if line.chars().count() + word.chars().count() > output.width() {
            output.line(&line)?;
            line = "   ".to_owned();
        }
        line += &word;
    }
    Ok(output.line(&line)?)
}

/// What is not a plain number, and how often.
fn oddities(statistics: &Statistics, output: &Output) -> String {
    let Statistics { count, nan, infinite, zeros, .. } = statistics;
    let mut text = String::new();
    for (number, what) in [(nan, "NaN"), (infinite, "infinite")] {
        if *number > 0 {
            text += &format!("  {}", output.styled(Style::Alarm, &format!("{} {what}", counted(*number))));
        }
    }
    if *zeros == *count as u64 && *count > 0 {
        text += "  all 0";
    } else if *zeros > 0 {
        text += &format!("  {}", several(*zeros as usize, "zero"));
    }
    text
}

/// The statistics of one tensor among others: `-0.3 ▁▃█▃▁ 0.3  mean 0.001  std 0.1`; what is odd on the next line.
fn in_a_line(statistics: &Statistics, output: &mut Output) -> Result<(), Failure> {
    let oddities = oddities(statistics, output);
    match &statistics.finite {
        None if statistics.count == 0 => output.line("  no numbers")?,
        Some(Finite { min, .. }) if statistics.count == 1 => output.line(&format!("  {}", short(*min)))?,
        Some(finite) => {
            let Finite { min, max, mean, std, .. } = finite;
            let std = std.map_or(String::new(), |std| format!("  std {}", short(std)));
            let [min, max, mean] = [min, max, mean].map(|number| short(*number));
            output.line(&format!("  {min:>10} {} {max:<10}  mean {mean}{std}", finite.spark()))?;
            if !oddities.is_empty() {
                output.line(&format!("{:11}{oddities}", ""))?;
            }
        }
        None => output.line(&oddities)?,
    }
    Ok(())
}

/// The statistics of the only tensor that is shown, with a line for each bin of its histogram.
fn alone(statistics: &Statistics, output: &mut Output) -> Result<(), Failure> {
    let oddities = oddities(statistics, output);
    let Some(finite) = &statistics.finite else {
        return Ok(
            output.line(&format!("  {}", if statistics.count == 0 { "no numbers" } else { oddities.trim_start() }))?
        );
    };
    let Finite { min, max, mean, std, histogram } = finite;
    let std = std.map_or(String::new(), |std| format!("  std {}", short(std)));
    output.line(&format!("  min {}  max {}  mean {}{std}{oddities}", short(*min), short(*max), short(*mean)))?;
    if min == max {
        return Ok(());
    }
    let most = histogram.iter().copied().max().unwrap_or(0).max(1);
    let counts: Vec<String> = histogram.iter().map(|&count| counted(count)).collect();
    let widest = counts.iter().map(String::len).max().unwrap_or(0);
    let columns = output.width().saturating_sub(2 + 10 + 1 + 1 + widest).max(8);
    for (bin, (count, shown)) in histogram.iter().zip(&counts).enumerate() {
        let from = min + (max / BINS as f64 - min / BINS as f64) * bin as f64;
        let bar = bar(*count as f64 / most as f64, columns);
        output.line(format!("  {:>10} {bar} {shown}", short(from)).trim_end())?;
    }
    Ok(output.line(&format!("  {:>10}", short(*max)))?)
}

fn json_of(file: &WeightsFile, names: &[&str], list: bool, output: &mut Output) -> Result<(), Failure> {
    let mut tensors = Vec::new();
    for name in names {
        let mut tensor = json!({
            "name": name,
            "type": file.element(name).map(|element| element.name()),
            "shape": file.shape(name),
            "count": count(file, name),
        });
        if !list && let (Value::Object(tensor), Some(found)) = (&mut tensor, Statistics::of(&file.read(name)?, BINS)?) {
            tensor.insert("statistics".to_owned(), found.json());
        }
        tensors.push(tensor);
    }
    let run = file.run().map(|run| {
        let last =
            run.history.curves().iter().filter_map(|curve| Some((curve.name.clone(), curve.points.last()?.value)));
        let figures: Map<String, Value> = last.map(|(name, value)| (name, json!(value))).collect();
        json!({ "epoch": run.epoch, "batch": run.batch, "step": run.step, "figures": figures })
    });
    let network = match file.format() {
        Format::Onnx => Some(Description::of(file.path())?),
        _ => None,
    };
    let mut object = json!({
        "file": file.path().display().to_string(),
        "format": file.format().to_string(),
        "notes": file.notes_of_weights(),
        "run": run,
        "checksums": file.is_sealed(),
        "count": names.iter().map(|name| count(file, name)).sum::<usize>(),
        "bytes": names.iter().map(|name| size(file, name)).sum::<u64>(),
        "tensors": tensors,
    });
    if let (Value::Object(object), Some(network)) = (&mut object, network) {
        let values = |all: &[kiln::onnx::Described]| -> Vec<Value> {
            all.iter().map(|v| json!({ "name": v.name, "type": v.element, "shape": v.shape })).collect()
        };
        let Description { opset, producer, inputs, outputs, operators } = &network;
        let network = json!({
            "opset": opset,
            "producer": producer,
            "inputs": values(inputs),
            "outputs": values(outputs),
            "operators": operators,
        });
        object.insert("network".to_owned(), network);
    }
    Ok(output.line(&object.to_string())?)
}
