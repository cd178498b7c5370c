//! Logs of a training: they hold what its history does, go on after a break without a row twice, and are whole up to the last row
//! whatever was cut off. TensorBoard's files are read by a decoder of their own here, and by TensorBoard's where Python has it.

use std::fs;
use std::process::Command;

use kiln::checkpoints::Every;
use kiln::fit::Progress;
use kiln::logs::{Csv, JsonLines, LogError, TensorBoard};
use kiln::prelude::*;
use ndarray::{Array1, Array2, Array3};

use crate::folder::Folder;

#[derive(Model)]
#[model(input = [4])]
pub struct Net {
    fc: Linear<4, 3>,
    act: ReLU,
    out: Linear<3, 3>,
}

pub fn data(count: usize) -> Dataset<Array2<f32>, Array1<i32>> {
    let x = Array2::from_shape_fn((count, 4), |(i, j)| ((i * 7 + j * 13) as f32).sin());
    let y = x.rows().into_iter().map(|row| i32::from(row[0] > row[1])).collect();
    Dataset::new(x, y).unwrap()
}

pub fn trainer() -> Trainer<Net, CrossEntropy, Adam> {
    Trainer::new(Net::init(1), cross_entropy(), Adam::default()).batch(8).threads(1).build().unwrap()
}

/// Trains for four epochs of five steps into a folder, or until a step is refused.
fn train(folder: &Folder, name: &str, steps: u64, resume: bool) -> Result<History, FitError> {
    let (train, valid) = data(56).split_at(40);
    let path = folder.path(name);
    let mut trainer = trainer();
    let mut left = steps;
    let fit = kiln::fit(&mut trainer, &train, |trainer, (x, y)| {
        left = left.saturating_sub(1);
        if left == 0 { trainer.step(x, &[0; 1]) } else { trainer.step(x, y) }
    });
    let fit = fit.epochs(4).validate(&valid).metrics(["f1"]).progress(Progress::Silent);
    let fit = fit.log(JsonLines::new(path.join("log.jsonl"))).log(Csv::new(path.join("log.csv")));
    let fit = fit.log(TensorBoard::new(&path)).checkpoint(Checkpoints::new(&path).every(Every::Steps(3)).keep(1));
    if resume { fit.resume().run() } else { fit.run() }
}

/// A log without what the clock says.
fn rows(text: &str) -> Vec<String> {
    let timeless = |line: &str| {
        let mut row: serde_json::Value = serde_json::from_str(line).unwrap();
        for name in ["time", "seconds", "samples_per_second"] {
            row.as_object_mut().unwrap().remove(name);
        }
        row.to_string()
    };
    text.lines().map(timeless).collect()
}

/// An event: its step, and of each value its tag and a word about it.
pub type Event = (u64, Vec<(String, String)>);

/// Reads a file of events with a decoder that shares nothing with what has written it.
pub fn events(bytes: &[u8]) -> Vec<Event> {
    fn crc(bytes: &[u8]) -> u32 {
        let mut crc = u32::MAX;
        for &byte in bytes {
            crc ^= u32::from(byte);
            for _ in 0..8 {
                crc = (crc >> 1) ^ (0x82f63b78 * (crc & 1));
            }
        }
        let crc = !crc;
        crc.rotate_right(15).wrapping_add(0xa282ead8)
    }
    enum Field<'a> {
        Number(u64),
        Bytes(&'a [u8]),
    }
    fn fields(mut bytes: &[u8]) -> Vec<(u64, Field<'_>)> {
        fn varint(bytes: &mut &[u8]) -> u64 {
            let end = bytes.iter().position(|byte| byte & 0x80 == 0).unwrap();
            let number = bytes[..=end].iter().rev().fold(0, |number, byte| number << 7 | u64::from(byte & 0x7f));
            *bytes = &bytes[end + 1..];
            number
        }
        let mut fields = Vec::new();
        while !bytes.is_empty() {
            let key = varint(&mut bytes);
            let size = match key & 7 {
                0 => {
                    fields.push((key >> 3, Field::Number(varint(&mut bytes))));
                    continue;
                }
                1 => 8,
                2 => varint(&mut bytes) as usize,
                5 => 4,
                other => panic!("a field of the kind {other}"),
            };
            fields.push((key >> 3, Field::Bytes(&bytes[..size])));
            bytes = &bytes[size..];
        }
        fields
    }
    let (mut events, mut rest) = (Vec::new(), bytes);
    while !rest.is_empty() {
        let length = u64::from_le_bytes(rest[..8].try_into().unwrap()) as usize;
        assert_eq!(rest[8..12], crc(&rest[..8]).to_le_bytes());
        let data = &rest[12..12 + length];
        assert_eq!(rest[12 + length..16 + length], crc(data).to_le_bytes());
        rest = &rest[16 + length..];
        let (mut step, mut values) = (0, Vec::new());
        for (field, value) in fields(data) {
            match (field, value) {
                (2, Field::Number(number)) => step = number,
                (3, Field::Bytes(text)) => {
                    values.push(("version".to_owned(), String::from_utf8(text.to_vec()).unwrap()))
                }
                (4, Field::Bytes(graph)) => values.push(("graph".to_owned(), format!("{} nodes", fields(graph).len()))),
                (5, Field::Bytes(summary)) => {
                    let (_, Field::Bytes(value)) = &fields(summary)[0] else { panic!("no value") };
                    let (mut tag, mut what) = (String::new(), String::new());
                    for (field, value) in fields(value) {
                        let Field::Bytes(bytes) = value else { panic!("a number in a value") };
                        match field {
                            1 => tag = String::from_utf8(bytes.to_vec()).unwrap(),
                            2 => what = f32::from_le_bytes(bytes.try_into().unwrap()).to_string(),
                            4 => {
                                what = format!(
                                    "image {:?}",
                                    image_size(
                                        &fields(bytes)
                                            .into_iter()
                                            .filter_map(|(_, field)| match field {
                                                Field::Number(number) => Some(number),
                                                Field::Bytes(_) => None,
                                            })
                                            .collect::<Vec<_>>()
                                    )
                                )
                            }
                            5 => {
                                let count = fields(bytes).into_iter().find_map(|(field, value)| match value {
                                    Field::Bytes(bytes) if field == 3 => {
                                        Some(f64::from_le_bytes(bytes.try_into().unwrap()))
                                    }
                                    _ => None,
                                });
                                what = format!("histogram of {}", count.unwrap());
                            }
                            8 | 9 => what = "text".to_owned(),
                            other => panic!("a value with the field {other}"),
                        }
                    }
                    values.push((tag, what));
                }
                _ => {}
            }
        }
        events.push((step, values));
    }
    events
}

fn image_size(numbers: &[u64]) -> (u64, u64, u64) {
    (numbers[0], numbers[1], numbers[2])
}

fn timeless(bytes: &[u8]) -> Vec<Event> {
    let mut found = events(bytes);
    found.retain(|(_, values)| !values.iter().any(|(tag, _)| tag.starts_with("seconds") || tag.starts_with("samples")));
    found
}

/// Histograms of gradients, where the optimizer keeps them.
#[test]
fn histograms_of_gradients_are_logged() {
    let folder = Folder::new("gradients");
    let data = data(24);
    let adam = Adam::default().keep_gradients(true);
    let mut trainer = Trainer::new(Net::init(1), cross_entropy(), adam).batch(8).threads(1).build().unwrap();
    trainer.fit(&data).epochs(2).log(TensorBoard::new(&folder.0)).progress(Progress::Silent).run().unwrap();
    let found = events(&fs::read(folder.path("events.out.tfevents.kiln")).unwrap());
    for tag in ["fc/weight", "gradients/fc/weight", "gradients/out/bias"] {
        let count = if tag.ends_with("bias") { 3 } else { 12 };
        let of_event =
            |(step, values): &Event| values.iter().find(|(name, _)| name == tag).map(|(_, what)| (*step, what.clone()));
        let found: Vec<_> = found.iter().filter_map(of_event).collect();
        assert_eq!(found, [3, 6].map(|step| (step, format!("histogram of {count}"))), "{tag}");
    }
    assert!(found.iter().all(|(_, values)| values.iter().all(|(tag, _)| !tag.contains("exp_avg"))));
}

#[test]
fn logs_hold_the_history_and_go_on_without_a_row_twice() {
    let folder = Folder::new("logs");
    let history = train(&folder, "whole", u64::MAX, false).unwrap();
    let read = |name: &str, file: &str| fs::read(folder.path(name).join(file)).unwrap();
    let text = |name: &str, file: &str| String::from_utf8(read(name, file)).unwrap();
    let board = "events.out.tfevents.kiln";
    let expected = rows(&text("whole", "log.jsonl"));
    assert_eq!(expected.len(), 20 + 4);
    for line in &expected {
        let row: serde_json::Value = serde_json::from_str(line).unwrap();
        let step = row["step"].as_u64().unwrap();
        for (name, value) in row.as_object().unwrap().iter().filter(|(name, _)| name.contains('.')) {
            let point = history.curve(name).iter().find(|point| point.step == step).unwrap();
            // The text is exact; serde_json reads it to within a bit.
            let read = value.as_f64().unwrap();
            assert!((point.value - read).abs() <= 1e-15 * read.abs(), "{name} at {step}: {} and {read}", point.value);
        }
    }
    let csv = text("whole", "log.csv");
    assert!(csv.starts_with("epoch,step,train.loss,valid.loss,valid.accuracy,valid.f1,learning_rate,"), "{csv}");
    assert_eq!(
        csv.lines().skip(1).map(|line| line.split(',').take(2).collect()).collect::<Vec<String>>(),
        ["15", "210", "315", "420"]
    );

    let found = timeless(&read("whole", board));
    assert_eq!(found[0].1, [("version".to_owned(), "brain.Event:2".to_owned())]);
    assert!(found[1].1[0].0 == "graph" && found[1].1[0].1.len() > 7, "{:?}", found[1]);
    let of = |tag: &str| {
        let of_event =
            |(step, values): &Event| values.iter().find(|(name, _)| name == tag).map(|(_, what)| (*step, what.clone()));
        found.iter().filter_map(of_event).collect::<Vec<_>>()
    };
    let losses: Vec<(u64, String)> =
        history.curve("step.loss").iter().map(|p| (p.step, (p.value as f32).to_string())).collect();
    assert_eq!(of("loss/step"), losses);
    assert_eq!(of("fc/weight"), [5, 10, 15, 20].map(|step| (step, "histogram of 12".to_owned())));
    assert_eq!(of("f1/valid").len(), 4);

    for breaks in [1, 2, 4, 5, 6, 7, 10, 11, 14, 20] {
        let name = format!("broken-{breaks}");
        train(&folder, &name, breaks, false).unwrap_err();
        // What a killed process may leave: rows beyond the checkpoint, and a part of one.
        let log = folder.path(&name).join("log.jsonl");
        fs::write(&log, text(&name, "log.jsonl") + "{\"step\":400,\"step.loss\":1}\n{\"step\":4").unwrap();
        let events = folder.path(&name).join(board);
        let whole = read(&name, board);
        fs::write(&events, [&whole[..], &whole[..whole.len().min(29)]].concat()).unwrap();
        train(&folder, &name, u64::MAX, true).unwrap();
        assert_eq!(rows(&text(&name, "log.jsonl")), expected, "broken at {breaks}");
        assert_eq!(timeless(&read(&name, board)), found, "broken at {breaks}");
        let columns =
            |csv: &str| csv.lines().map(|line| line.rsplitn(3, ',').last().unwrap().to_owned()).collect::<Vec<_>>();
        assert_eq!(columns(&text(&name, "log.csv")), columns(&csv), "broken at {breaks}");
    }
    let error = train(&folder, "whole", u64::MAX, false).unwrap_err();
    assert!(error.to_string().contains("already") || error.to_string().contains("earlier"), "{error}");
    let error = trainer().fit(&data(8)).log(JsonLines::new(folder.path("whole").join("log.jsonl"))).run().unwrap_err();
    assert!(matches!(error, FitError::Log(LogError::Occupied { .. })), "{error}");
}

/// Cut at any byte, a log is a shorter log, and the next row stands behind the last whole one.
#[test]
fn a_log_that_is_cut_is_a_shorter_one() {
    let folder = Folder::new("cut-logs");
    let path = folder.path("log.jsonl");
    let mut log = JsonLines::new(&path);
    let values = [1.5, f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -0.0];
    values.iter().zip(0..).for_each(|(value, step)| log.row(step, None, &[("x", *value)]).unwrap());
    let bytes = fs::read(&path).unwrap();
    for cut in 0..=bytes.len() {
        fs::write(&path, &bytes[..cut]).unwrap();
        let whole = bytes[..cut].iter().filter(|&&byte| byte == b'\n').count();
        let kept = kiln::Report::open(&path).unwrap();
        assert!(kept.html().contains("<h1>"));
        JsonLines::new(&path).row(9, Some(1), &[("y", 2.0)]).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap().lines().count(), whole + 1, "cut at {cut}");
    }
    let path = folder.path("board");
    let file = path.join("events.out.tfevents.kiln");
    let mut board = TensorBoard::new(&path);
    (0..4).for_each(|step| board.scalar("x", step, 0.5).unwrap());
    let bytes = fs::read(&file).unwrap();
    for cut in 0..=bytes.len() {
        fs::write(&file, &bytes[..cut]).unwrap();
        TensorBoard::new(&path).scalar("x", 9, 1.0).unwrap();
        let found = events(&fs::read(&file).unwrap());
        assert_eq!((found[0].1[0].0.as_str(), found.last().unwrap().0), ("version", 9), "cut at {cut}");
    }
    let mut csv = Csv::new(folder.path("log.csv"));
    csv.row(1, 5, &[("a", 0.5), ("b", 1.0)]).unwrap();
    csv.row(2, 10, &[("b", f64::NAN)]).unwrap();
    assert!(matches!(csv.row(3, 15, &[("c", 1.0)]), Err(LogError::Columns { .. })));
    assert_eq!(fs::read_to_string(folder.path("log.csv")).unwrap(), "epoch,step,a,b\n1,5,0.5,1\n2,10,,NaN\n");
}

/// What TensorBoard's own reader finds is what was written: scalars, histograms, images, texts and the graph.
#[test]
fn tensorboard_reads_it() {
    const READER: &str = "
import sys
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.compat.proto.graph_pb2 import GraphDef
log = EventAccumulator(sys.argv[1], size_guidance={'scalars': 0, 'histograms': 0, 'images': 0, 'tensors': 0})
log.Reload()
tags = log.Tags()
for tag in sorted(tags['scalars']):
    print(tag, [(e.step, round(e.value, 4)) for e in log.Scalars(tag)])
for tag in sorted(tags['histograms']):
    for e in log.Histograms(tag):
        h = e.histogram_value
        print(tag, e.step, h.num, round(h.min, 4), round(h.max, 4), round(h.sum, 4), sum(h.bucket), len(h.bucket_limit) == len(h.bucket))
for tag in sorted(tags['images']):
    print(tag, [(e.step, e.width, e.height, e.encoded_image_string[:4]) for e in log.Images(tag)])
for tag in sorted(tags['tensors']):
    print(tag, [e.tensor_proto.string_val[0].decode() for e in log.Tensors(tag)])
if tags['graph']:
    nodes = log.Graph().node
    names = {n.name for n in nodes}
    print('graph', len(nodes) > 3, all(i in names for n in nodes for i in n.input), sorted(n.name for n in nodes if n.op == 'input'))
";
    let has = Command::new("python3").args(["-c", "import tensorboard"]).output();
    if !has.is_ok_and(|output| output.status.success()) {
        eprintln!("skipped: Python's tensorboard is not installed");
        return;
    }
    let folder = Folder::new("tensorboard");
    let mut board = TensorBoard::new(folder.path("run"));
    for step in 0..3 {
        board.scalar("loss/train", step, 1.0 / (step + 1) as f64).unwrap();
    }
    board.histogram("weights", 7, &Array2::from_shape_fn((10, 10), |(i, j)| (i as f32 - j as f32) / 9.0)).unwrap();
    board.histogram("equal", 7, &Array1::from_elem(5, 2.5f32)).unwrap();
    board.histogram("nothing", 7, &Array1::from_elem(5, f32::NAN)).unwrap();
    board.image("digit", 2, &Array3::from_elem((3, 4, 6), 0.5)).unwrap();
    board.text("about", 0, "**two** layers").unwrap();
    let g = kiln::graph::Builder::new("step");
    let [x, w] = [g.input("x", [8, 4]), g.state("fc.w", kiln::graph::Type::f32([4, 2]))];
    g.output("y", x.matmul(w).relu());
    board.graph(&g.finish().unwrap()).unwrap();
    assert!(matches!(board.image("x", 0, &Array1::from_elem(3, 0.0)), Err(LogError::Image { .. })));
    drop(board);
    let output = Command::new("python3").args(["-W", "ignore", "-c", READER]).arg(folder.path("run")).output().unwrap();
    let (found, said) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    assert!(output.status.success(), "{said}");
    let expected = [
        "loss/train [(0, 1.0), (1, 0.5), (2, 0.3333)]",
        "equal 7 5.0 2.5 2.5 12.5 5.0 True",
        "weights 7 100.0 -1.0 1.0 -0.0 100.0 True",
        "digit [(2, 6, 4, b'\\x89PNG')]",
        "about ['**two** layers']",
        "graph True True ['inputs/x', 'states/fc/w']",
    ];
    let lines: Vec<String> = found.lines().map(|line| line.replace(" 0.0 100.0 True", " -0.0 100.0 True")).collect();
    assert_eq!(lines, expected, "{said}");
}
