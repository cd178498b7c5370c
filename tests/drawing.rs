//! Drawings of graphs: what they show, and that their files are well-formed.

#[path = "common/folder.rs"]
mod folder;

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use kiln::graph::optimizers::Optimizer;
use kiln::graph::{Builder, Graph, Type, Value, optimize};
use kiln::jit::{CompileOptions, Plan};
use kiln::prelude::*;
use kiln::report::Drawing;

use folder::Folder;

#[derive(Model)]
#[model(input = [1, 28, 28])]
struct LeNet {
    conv1: Conv2d<1, 20, 5>,
    relu1: ReLU,
    pool1: MaxPool2d<2>,
    conv2: Conv2d<20, 64, 5>,
    relu2: ReLU,
    pool2: MaxPool2d<2>,
    flatten: Flatten,
    fc1: Linear<1024, 128>,
    relu3: ReLU,
    fc2: Linear<128, 10>,
}

model! {
    struct Block<const C: usize, const SIZE: usize> {
        conv1: Conv2d(C, C, 3, padding = 1, bias = false),
        bn1: BatchNorm2d(C),
        conv2: Conv2d(C, C, 3, padding = 1, bias = false),
        bn2: BatchNorm2d(C),
    }

    fn forward(x: [N, C, SIZE, SIZE]) -> [N, C, SIZE, SIZE] {
        let y = bn1(conv1(x)).relu();
        (bn2(conv2(y)) + x).relu()
    }
}

model! {
    struct Residual {
        stem: Sequential { conv: Conv2d(1, 8, 3, padding = 1), norm: BatchNorm2d(8), act: ReLU },
        blocks: [Block(8, 8); 2],
        head: Sequential { pool: AvgPool2d(8), flatten: Flatten, fc: Linear(8, 10) },
    }

    fn forward(x: [N, 1, 8, 8]) -> [N, 10] {
        let x = stem(x);
        for block in blocks.iter() {
            x = block(x);
        }
        head(x)
    }
}

model! {
    struct Two {
        trunk: Linear(3, 8),
        scores: Linear(8, 4),
        place: Linear(8, 2),
    }

    fn forward(image: [N, 3], shift: [N, 2]) -> ([N, 4], [N, 2], [N; i32]) {
        let x = trunk(image).tanh(); // at trunk
        let classes = scores(x);
        (classes, place(x) + shift, classes.argmax(1)) // at place
    }
}

#[derive(Model)]
#[model(input = [16])]
struct Generator {
    fc1: Linear<16, 32>,
    act: ReLU,
    fc2: Linear<32, 64>,
    out: Tanh,
}

#[derive(Model)]
#[model(input = [64])]
struct Discriminator {
    fc1: Linear<64, 32>,
    act: LeakyReLU,
    fc2: Linear<32, 1>,
}

fn bce(logits: Value<'_>, target: f64) -> Value<'_> {
    let target = logits.graph().full(logits.shape(), target);
    kiln::losses::binary_cross_entropy_with_logits(logits, target, None, None, Reduction::Mean)
}

/// One step of a GAN: the discriminator's, for which the generator's samples are detached, or the generator's.
fn gan(trains_generator: bool) -> Graph {
    let g = Builder::new(if trains_generator { "update_g" } else { "update_d" });
    g.set_mode(Mode::Train);
    let models = (Generator::init(1), Discriminator::init(2));
    let part = |name: &str, layer: &dyn Layer, x| {
        let _scope = g.enter(name);
        layer.forward(&g, x)
    };
    let z = g.input("z", [8, 16]);
    let fake = part("generator", &models.0, z);
    let loss = if trains_generator {
        bce(part("discriminator", &models.1, fake), 1.0)
    } else {
        let real = part("discriminator", &models.1, g.input("real", [8, 64]));
        bce(real, 1.0) + bce(part("discriminator", &models.1, fake.detach()), 0.0)
    };
    let (name, model): (_, &dyn Layer) =
        if trains_generator { ("generator", &models.0) } else { ("discriminator", &models.1) };
    let mut parameters = Vec::new();
    kiln::graph::Path::new().enter(name, |path| {
        model.visit(path, &mut |name, parameter| {
            parameters.push((name.to_owned(), g.state(name, Type::f32(parameter.shape()))));
        })
    });
    let values: Vec<Value<'_>> = parameters.iter().map(|(_, value)| *value).collect();
    let gradients = g.gradients_of(loss, &values).unwrap();
    Adam::default().apply(&g, &parameters, &gradients);
    g.output("loss", loss);
    g.finish().unwrap()
}

fn planned(graph: &Graph) -> Plan {
    CompileOptions::default().plan(&optimize(graph)).unwrap()
}

/// Checks that a text is well-formed XML; the texts between its tags.
fn read_xml(text: &str) -> Vec<String> {
    let mut open: Vec<&str> = Vec::new();
    let mut texts = Vec::new();
    let mut rest = text.strip_prefix("<!DOCTYPE html>").expect("a document type");
    while let Some(start) = rest.find('<') {
        texts.push(read_text(&rest[..start]));
        rest = &rest[start..];
        if let Some(data) = rest.strip_prefix("<![CDATA[") {
            rest = &data[data.find("]]>").expect("an end of the data") + 3..];
            continue;
        }
        let end = rest.find('>').expect("an end of the tag");
        let tag = &rest[1..end];
        rest = &rest[end + 1..];
        if let Some(name) = tag.strip_prefix('/') {
            assert_eq!(open.pop(), Some(name), "tags close in turn");
            continue;
        }
        let (tag, closed) = tag.strip_suffix('/').map_or((tag, false), |tag| (tag, true));
        let (name, attributes) = tag.split_once(' ').unwrap_or((tag, ""));
        let mut parts = attributes.split('"');
        while let (Some(name), Some(value)) = (parts.next(), parts.next()) {
            assert!(name.trim().ends_with('=') && !name.contains('&'), "attributes in `{tag}`");
            read_text(value);
        }
        if !closed {
            open.push(name);
        }
    }
    assert!(open.is_empty(), "{open:?} are not closed");
    texts.into_iter().filter(|text| !text.trim().is_empty()).collect()
}

fn read_text(text: &str) -> String {
    let entities = [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&amp;", "&")];
    let known = entities.iter().map(|(entity, _)| text.matches(entity).count()).sum::<usize>();
    assert_eq!(text.matches('&').count(), known, "every `&` of `{text}` is part of an entity");
    entities.iter().fold(text.to_owned(), |text, (entity, character)| text.replace(entity, character))
}

/// The number of elements whose classes hold all of those given.
fn count(html: &str, classes: &[&str]) -> usize {
    let lists = html.split("class=\"").skip(1).filter_map(|rest| rest.split('"').next());
    lists.filter(|list| classes.iter().all(|class| list.split(' ').any(|c| c == *class))).count()
}

/// What the script draws lines between: from, to, and whether there is a gradient.
fn edges(html: &str) -> Vec<(usize, usize, bool)> {
    let table = html.split("const EDGES = [").nth(1).and_then(|rest| rest.split("];\n\"use strict\"").next()).unwrap();
    let row = |row: &str| {
        let fields: Vec<&str> = row.trim().trim_start_matches('[').split(',').collect();
        (fields[0].parse().unwrap(), fields[1].parse().unwrap(), fields[4] == "1")
    };
    table.split("],").filter(|text| !text.trim().is_empty()).map(row).collect()
}

fn drawn(graph: &Graph) -> String {
    let plan = planned(graph);
    Drawing::new(graph)
        .plan(&plan)
        .layers("generator", &Generator::init(0))
        .layers("discriminator", &Discriminator::init(0))
        .html()
}

fn saved(save: impl FnOnce(&PathBuf) -> Result<(), DrawError>, name: &str) -> String {
    let folder = Folder::new("drawing");
    let path = folder.path(name);
    save(&path).unwrap();
    fs::read_to_string(&path).unwrap()
}

#[test]
fn a_training_step_shows_every_layer_on_both_sides() {
    let trainer = Trainer::new(LeNet::init(0), cross_entropy(), Adam::default()).batch(64).build().unwrap();
    let html = saved(|path| trainer.graph_html(path), "lenet.html");
    let texts = read_xml(&html);
    let shown = |wanted: &str| texts.iter().filter(|text| *text == wanted).count();
    LeNet::init(0).describe(&mut kiln::graph::Path::new(), &mut |name, layer| {
        // As a title on both sides and of what is shown when one points there.
        assert_eq!(shown(name), 4, "{name}");
        assert!(shown(layer) >= 3, "{layer}");
    });
    for shape in ["[64, 1, 28, 28]", "[64, 20, 24, 24]", "[64, 1024]", "[64, 10]", "i32[64]"] {
        assert!(shown(shape) > 0, "{shape}");
    }
    assert!(shown("cross_entropy") > 0 && shown("updates weight, bias") == 4);
    // x, ten layers and the loss follow one another; y and the result stand beside them. The input has no gradient.
    let edges = edges(&html);
    assert_eq!((edges.len(), edges.iter().filter(|edge| edge.2).count()), (13, 11));
    assert_eq!(html.matches("<tr data-kernels=").count(), trainer.plan().calls.len());
    assert_eq!(count(&html, &["cut"]), 0);
}

/// Each output stands in the drawing by its name, behind what gives it.
#[test]
fn a_model_of_several_outputs_shows_each() {
    let (html, dot) =
        (saved(|path| Two::init(0).graph_html(path), "two.html"), |path: &PathBuf| Two::init(0).graph_dot(path));
    let texts = read_xml(&html);
    for wanted in ["image", "shift", "trunk", "scores", "place", "output2", "[1, 4]", "[1, 2]", "i32[1]"] {
        assert!(texts.iter().any(|text| text == wanted), "{wanted}: {texts:?}");
    }
    // Where the user's source asks for a layer or an operation: `trunk` and `tanh`, `place` and `+` and `argmax`.
    for (marker, boxes) in [("// at trunk", 2), ("// at place", 3)] {
        let line = include_str!("drawing.rs").lines().position(|line| line.ends_with(marker)).unwrap() + 1;
        let wanted = format!("{}:{line}", file!());
        assert_eq!(texts.iter().filter(|text| **text == wanted).count(), boxes, "{wanted}: {texts:?}");
    }
    let dot = saved(dot, "two.dot");
    for output in ["scores", "output1", "output2"] {
        assert!(dot.contains(output), "{output}: {dot}");
    }
    let losses = (cross_entropy(), mse(), ());
    let trainer = Trainer::new(Two::init(0), losses, Adam::default()).batch(4).build().unwrap();
    let html = saved(|path| trainer.graph_html(path), "losses.html");
    let texts = read_xml(&html);
    for wanted in ["cross_entropy", "mse", "loss"] {
        assert!(texts.iter().any(|text| text.contains(wanted)), "{wanted}: {texts:?}");
    }
    assert_eq!(html.matches("<tr data-kernels=").count(), trainer.plan().calls.len());
}

#[test]
fn layers_in_one_kernel_have_its_number() {
    let html = saved(|path| LeNet::init(0).graph_html(path), "fused.html");
    let kernels = |layer: &str| {
        let before = html.split(&format!("<span class=\"title\">{layer}</span>")).next().unwrap();
        let list = before.rsplit("data-kernels=\"").next().and_then(|rest| rest.split('"').next()).unwrap();
        list.split(' ').map(str::to_owned).collect::<BTreeSet<_>>()
    };
    assert!(kernels("conv1").is_superset(&kernels("relu1")));
    assert!(kernels("relu1").is_disjoint(&kernels("pool1")));
    // Without a loss there is no backward side.
    assert!(!html.contains("id=\"backward\""));
}

#[test]
fn skip_connections_pass_beside_the_layers() {
    let trainer = Trainer::new(Residual::init(0), cross_entropy(), Adam::default()).batch(16).build().unwrap();
    let html = saved(|path| trainer.graph_html(path), "residual.html");
    let texts = read_xml(&html);
    for title in ["stem", "blocks.0", "blocks.1", "head", "bn2", "+", "relu"] {
        assert!(texts.iter().any(|text| text == title), "{title}");
    }
    // Past conv1, bn1, relu, conv2 and bn2, in two blocks, on two sides.
    assert_eq!(count(&html, &["lane"]), 5 * 2 * 2);
    assert_eq!(count(&html, &["block"]), 4 * 2);
    // A sum needs no operation for its gradient, which passes it nevertheless.
    assert_eq!(count(&html, &["operation"]), 2 * 2);
    assert_eq!(count(&html, &["operation", "still"]), 0);
}

#[test]
fn a_detach_is_a_cut() {
    let html = drawn(&gan(false));
    let texts = read_xml(&html);
    assert_eq!(count(&html, &["cut"]), 2);
    assert!(texts.iter().any(|text| text == "✂ detach") && texts.iter().any(|text| text == "no gradient passes"));
    // The generator with its four layers, and what is cut off with them, has no gradient.
    assert_eq!(texts.iter().filter(|text| *text == "no gradient").count(), 4);
    assert_eq!(count(&html, &["block", "still"]), 1);
    assert!(texts.iter().any(|text| text == "2,113 parameters"));

    let html = drawn(&gan(true));
    let texts = read_xml(&html);
    assert_eq!((count(&html, &["cut"]), count(&html, &["block", "still"])), (0, 0));
    // Gradients pass the discriminator, which stays as it is.
    assert_eq!(texts.iter().filter(|text| *text == "updates weight, bias").count(), 2);
}

#[test]
fn a_layer_that_is_applied_twice_has_two_boxes() {
    let html = drawn(&gan(false));
    let titles = html.matches("<span class=\"title\">discriminator</span>").count();
    assert_eq!(titles, 2 * 2);
}

#[test]
fn names_are_escaped() {
    let g = Builder::new("a<b> & \"c\"");
    let x = g.input("<x&y>", [2, 3]);
    let y = {
        let _scope = g.enter("p\"q<r");
        x.exp()
    };
    g.output("</div>", y);
    let graph = g.finish().unwrap();
    let texts = read_xml(&Drawing::new(&graph).html());
    for text in ["a<b> & \"c\"", "<x&y>", "p\"q<r", "</div>"] {
        assert!(texts.iter().any(|found| found == text), "{text} in {texts:?}");
    }
    let dot = Drawing::new(&graph).dot();
    assert!(dot.starts_with("digraph \"a<b> & \\\"c\\\"\" {"), "{dot}");
    assert!(dot.contains("label=\"p\\\"q<r\""), "{dot}");
}

#[test]
fn an_empty_graph_has_a_drawing() {
    let graph = Builder::new("empty").finish().unwrap();
    read_xml(&Drawing::new(&graph).html());
    assert_eq!(Drawing::new(&graph).dot().lines().count(), 5);
}

#[test]
fn graphviz_is_told_of_layers_gradients_and_cuts() {
    let trainer = Trainer::new(Residual::init(0), cross_entropy(), Adam::default()).batch(16).build().unwrap();
    let dot = saved(|path| trainer.graph_dot(path), "residual.dot");
    assert_eq!(dot.matches("subgraph cluster_").count(), 4);
    assert!(dot.contains("label=\"conv\\nConv2d(1, 8, kernel 3, padding 1)\""), "{dot}");
    assert_eq!(dot.matches('{').count(), dot.matches('}').count());
    let dot = saved(|path| Drawing::new(&gan(false)).save_dot(path), "gan.dot");
    let cut = dot.lines().find(|line| line.contains("label=\"detach\"")).unwrap();
    let name = cut.trim().split(' ').next().unwrap();
    assert!(cut.contains("dashed,bold"));
    // Values pass the cut, but no gradient leads into it or out of it.
    let ends: Vec<&str> = dot
        .lines()
        .filter(|line| line.contains(&format!("{name} ->")) || line.contains(&format!("-> {name} ")))
        .collect();
    assert_eq!(ends.len(), 2, "{ends:?}");
    assert!(ends.iter().all(|line| !line.contains("constraint=false")));
    assert!(saved(|path| LeNet::init(0).graph_dot(path), "lenet.dot").contains("Conv2d(20, 64, kernel 5)"));
}

#[test]
fn a_file_that_can_not_be_written_is_named() {
    let folder = Folder::new("drawing");
    let path = folder.file("a_file", b"").join("below").join("graph.html");
    let trainer = Trainer::new(LeNet::init(0), cross_entropy(), Adam::default()).batch(1).build().unwrap();
    let results = [
        LeNet::init(0).graph_html(&path),
        LeNet::init(0).graph_dot(&path),
        trainer.graph_html(&path),
        trainer.graph_dot(&path),
    ];
    for result in results {
        let error = result.unwrap_err();
        assert!(matches!(&error, DrawError::Write { path: found, .. } if *found == path));
        assert!(error.to_string().starts_with(&format!("cannot write the drawing to {}: ", path.display())), "{error}");
    }
}

model! {
    struct Adversaries {
        generator: Generator,
        discriminator: Discriminator,
        opt_g: Adam(generator),
        opt_d: Adam(discriminator),
    }

    step both(real: [N, 64], z: [N, 16]) -> (loss_d, loss_g) {
        let fake = generator(z);
        let loss_d = bce_with_logits(discriminator(real), 1.0) + bce_with_logits(discriminator(fake.detach()), 0.0);
        opt_d.minimize(loss_d);
        let loss_g = bce_with_logits(discriminator(fake), 1.0);
        opt_g.minimize(loss_g);
    }
}

#[test]
fn a_step_of_two_updates_is_drawn_whole() {
    let mut trainer = Adversaries::init(1).trainer().batch(8).build().unwrap();
    let html = saved(|path| trainer.graph_html("both", path), "both.html");
    let texts = read_xml(&html);
    let titles = |layer: &str| html.matches(&format!("<span class=\"title\">{layer}</span>")).count();
    // On both sides: the generator once, the discriminator for the real, the detached and the updated pass.
    assert_eq!((titles("generator"), titles("discriminator")), (2, 3 * 2));
    assert_eq!((count(&html, &["cut"]), count(&html, &["block", "still"])), (2, 0));
    let shown = |wanted: &str| texts.iter().filter(|text| *text == wanted).count();
    // The generator's two layers and the discriminator's two in two passes; in the last pass those are used as updated.
    assert_eq!((shown("updates weight, bias"), shown("with updated weight, bias")), (6, 2));
    for result in ["loss_d", "loss_g"] {
        assert!(texts.iter().any(|text| text == result), "{result}");
    }
    assert_eq!(trainer.profile("both").unwrap().rows.len(), trainer.plan("both").unwrap().calls.len());
    assert!(saved(|path| trainer.graph_dot("both", path), "both.dot").contains("label=\"loss_g\""));
    let error = trainer.graph_html("bath", Folder::new("drawing").path("bath.html")).unwrap_err();
    assert!(matches!(&error, DrawError::Model(TrainError::UnknownProgram { found, .. }) if found == "bath"), "{error}");
}

/// Boxes lie within boxes, and values behind values, to any depth: drawings need no stack for it.
#[test]
fn deep_graphs_are_drawn_with_little_stack() {
    let chain = |g: &Builder| {
        let mut x = g.input("x", [2, 4]);
        for _ in 0..20_000 {
            x = x.tanh();
        }
        g.output("y", x);
    };
    let layers = |g: &Builder| {
        let mut x = g.input("x", [2, 4]);
        for number in 0..2_000 {
            let _list = g.enter("list");
            let _layer = g.enter(&number.to_string());
            x = x.matmul(g.state(&g.path("weight"), Type::f32([4, 4])));
        }
        g.output("y", x);
    };
    let nested = |g: &Builder| {
        let mut x = g.input("x", [2, 4]);
        let mut around = Vec::new();
        for number in 0..60 {
            around.push(g.enter(&format!("model{number}")));
            x = x.matmul(g.state(&g.path("weight"), Type::f32([4, 4]))) + x;
        }
        // The innermost first: each goes back to what is around it.
        while let Some(innermost) = around.pop() {
            drop(innermost);
        }
        g.output("y", x);
    };
    type Built<'a> = &'a (dyn Fn(&Builder) + Sync);
    let cases: [(&str, Built); 3] = [("chain", &chain), ("layers", &layers), ("nested", &nested)];
    for (name, build) in cases {
        let draw = || {
            let g = Builder::new(name);
            build(&g);
            let graph = g.finish().unwrap();
            let plan = CompileOptions::default().plan(&optimize(&graph)).unwrap();
            let (html, dot) = (Drawing::new(&graph).plan(&plan).html(), Drawing::new(&graph).dot());
            assert!(html.ends_with("</html>\n") && dot.ends_with("}\n"), "{name}");
            assert_eq!(html.matches("<div").count(), html.matches("</div>").count(), "{name}");
        };
        std::thread::scope(|scope| {
            let thread = std::thread::Builder::new().stack_size(512 << 10).spawn_scoped(scope, draw).unwrap();
            thread.join().unwrap_or_else(|payload| std::panic::resume_unwind(payload));
        });
    }
}
