//! Contractions are computed by the recipes that were chosen for them, and measuring chooses among those.

use std::collections::HashMap;
use std::time::Duration;

use kiln_graph::{Builder, Graph, Type};
use kiln_jit::contraction::Recipe;
use kiln_jit::plan::{Choice, Choices, Plan, Wishes, plan, plan_by};
use kiln_jit::{Target, tune};

use crate::cases::conv;
use crate::run::{Expected, check_plan};

/// A convolution, a product, and the gradients of both; with epilogues, and with an update in place behind one of them.
fn step() -> Graph {
    let g = Builder::new("step");
    let x = g.input("x", [4, 8, 10, 10]);
    let w = g.state("w", Type::f32([16, 8, 3, 3]));
    let l = g.state("l", Type::f32([24, 16 * 64]));
    let hidden = x.conv(w, conv(1, 0, 1)).relu();
    let y = hidden.flatten(1).matmul(l.transpose(0, 1)).tanh();
    let loss = (y * y).mean([0, 1]);
    for (state, gradient) in [w, l].into_iter().zip(g.gradients(loss, [w, l]).expect("gradients")) {
        g.update(state, state - gradient * 0.1);
    }
    g.output("loss", loss);
    kiln_graph::optimize(&g.finish().expect("a graph"))
}

fn choice(recipe: String) -> Choice {
    Choice { recipe, seconds: 1.0, usual: "the usual one".to_owned(), usual_seconds: 1.0 }
}

fn by(graph: &Graph, target: &Target, choices: &Choices) -> Plan {
    plan_by(graph, target, &HashMap::new(), choices, Wishes::default()).expect("a plan")
}

/// That two plans are the same in all that is run.
fn assert_same([a, b]: [&Plan; 2]) {
    assert_eq!(a.to_string(), b.to_string());
    assert!(a.kernels == b.kernels && a.slots == b.slots);
    assert_eq!(format!("{:?}", a.calls), format!("{:?}", b.calls));
}

#[test]
fn every_candidate_may_be_chosen() {
    let graph = step();
    let expected = Expected::of(&graph);
    for lanes in [4, 8, 16] {
        let target = Target::with_lanes(lanes);
        let usual = plan(&graph, &target, &HashMap::new()).expect("a plan");
        assert_eq!(usual.contractions.len(), 5, "{usual}");
        assert!(usual.contractions.iter().all(|found| found.chosen.is_none() && found.uses == 1), "{usual}");
        assert!(!usual.to_string().contains("chosen by measuring"), "{usual}");
        let candidates: Vec<Vec<String>> = usual
            .contractions
            .iter()
            .map(|found| found.problem.candidates(&target).iter().map(|recipe| recipe.name()).collect())
            .collect();
        // The first one of each, then the second one of each, and so on.
        for number in 0..candidates.iter().map(Vec::len).max().unwrap_or(0) {
            let mut choices = Choices::new();
            for (found, names) in usual.contractions.iter().zip(&candidates) {
                choices.insert(found.problem.to_string(), choice(names[number.min(names.len() - 1)].clone()));
            }
            let chosen = by(&graph, &target, &choices);
            for ((found, before), names) in chosen.contractions.iter().zip(&usual.contractions).zip(&candidates) {
                assert_eq!(found.problem, before.problem);
                assert_eq!(found.recipe.name(), names[number.min(names.len() - 1)], "{chosen}");
                let another = number.min(names.len() - 1) > 0;
                assert_eq!(found.chosen, Some(another), "{chosen}");
                let line = format!("chosen by measuring: {} for {}", found.recipe.name(), found.problem.shapes());
                assert_eq!(chosen.to_string().contains(&line), another, "{chosen}");
            }
            assert!(tune::pending(&chosen.contractions).is_empty());
            expected.check(&format!("candidates {number} at {lanes} lanes"), &chosen);
            assert_same([&chosen, &by(&graph, &target, &choices)]);
        }
    }
}

#[test]
fn choices_that_name_no_candidate_count_for_nothing() {
    let graph = step();
    let target = Target::with_lanes(8);
    let usual = plan(&graph, &target, &HashMap::new()).expect("a plan");
    let mut choices = Choices::new();
    for found in &usual.contractions {
        choices.insert(found.problem.to_string(), choice("tiles of 1x1 #0".to_owned()));
    }
    choices.insert("dot of nothing".to_owned(), choice("tiles of 1x1 #0".to_owned()));
    let same = by(&graph, &target, &choices);
    assert_same([&usual, &same]);
    assert_eq!(tune::pending(&same.contractions).len(), tune::pending(&usual.contractions).len());
}

#[test]
fn measuring_chooses_among_the_candidates() {
    let graph = step();
    let target = Target::host().expect("an emitter");
    let usual = plan(&graph, &target, &HashMap::new()).expect("a plan");
    let pending = tune::pending(&usual.contractions);
    assert!(pending.len() >= 4 && pending.is_sorted_by(|a, b| a.1 >= b.1), "{pending:?}");

    let measured = tune::measure(&usual.contractions, &target, Duration::ZERO).expect("code");
    assert!(measured.choices.is_empty());
    assert_eq!(measured.missing, pending.len());

    // More than it takes on any machine; it ends as soon as it has the rounds it wants.
    let measured = tune::measure(&usual.contractions, &target, Duration::from_secs(600)).expect("code");
    assert_eq!((measured.choices.len(), measured.missing), (pending.len(), 0));
    for (found, _) in &pending {
        let choice = measured.choices.get(&found.problem.to_string()).expect("a choice");
        let names: Vec<String> = found.problem.candidates(&target).iter().map(|recipe| recipe.name()).collect();
        assert!(names.contains(&choice.recipe) && choice.usual == names[0], "{choice:?}");
        let times = [choice.seconds, choice.usual_seconds];
        assert!(times.iter().all(|seconds| seconds.is_finite() && *seconds > 0.0), "{choice:?}");
    }
    let tuned = by(&graph, &target, &measured.choices);
    assert!(tune::pending(&tuned.contractions).is_empty());
    check_plan("tuned", &graph, &tuned);
    assert_same([&tuned, &by(&graph, &target, &measured.choices)]);
    let again = tune::measure(&tuned.contractions, &target, Duration::from_secs(600)).expect("code");
    assert!(again.choices.is_empty() && again.missing == 0);
}

/// Every candidate's text, and what is left of it or put into it.
#[test]
fn recipes_are_read_back_and_other_texts_are_refused() {
    for lanes in [4, 8, 16] {
        let target = Target::with_lanes(lanes);
        let plan = plan(&step(), &target, &HashMap::new()).expect("a plan");
        let recipes = plan.contractions.iter().flat_map(|found| found.problem.candidates(&target));
        let recipes: Vec<Recipe> = recipes.collect();
        for recipe in &recipes {
            let read: Recipe = recipe.to_string().parse().expect("a recipe");
            assert_eq!((&read, read.name()), (recipe, recipe.name()));
        }
        let text = recipes[0].to_string();
        let lines: Vec<usize> = text.match_indices('\n').map(|(place, _)| place).collect();
        for place in 0..text.len() {
            // Whole lines are whole stages: a recipe of fewer of them.
            let cut = text[..place].parse::<Recipe>();
            assert_eq!(cut.is_ok(), lines.contains(&place), "{}", &text[..place]);
            let error = format!("{}?{}", &text[..place], &text[place..]).parse::<Recipe>().expect_err("a `?`");
            // What should stand there begins a word before it, at most.
            assert!((place.saturating_sub(30)..=place).contains(&error.place) && error.found.contains('?'), "{error}");
        }
    }
    let deep = format!("scratch []\n{{buffers: [], results: yes, work: {}", "before-transpose(".repeat(100_000));
    for (text, expected) in [
        ("", "no text of a recipe: expected `scratch ` at byte 0, found ``"),
        ("scratch [1, -2]", "no text of a recipe: expected a number at byte 12, found `-2]`"),
        (
            "scratch []\n{buffers: [(middle, read)]",
            "expected one of `left`, `right`, `scratch` at byte 23, found `middle, read)]`",
        ),
        (&deep, "expected nothing that lies so deep at byte"),
    ] {
        let error = text.parse::<Recipe>().expect_err("no recipe").to_string();
        assert!(error.contains(expected), "{error}");
    }
}
