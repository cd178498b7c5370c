//! By which recipe each contraction of a plan is computed: the one that is estimated to be the fastest, or the one that
//! was chosen for it. Equal contractions are looked at once. It knows problems and recipes; it measures nothing.

use std::collections::BTreeMap;
use std::sync::Arc;

use rustc_hash::FxHashMap;

use crate::contraction::{Problem, Recipe};
use crate::cost::params::recompute::LEAN_TASKS;
use crate::target::Target;

/// Which recipes compute which contractions on one machine, as measured: by the text of a [`Problem`]. A choice whose
/// recipe is not among the [candidates](Problem::candidates) counts for nothing.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Choices(BTreeMap<String, Choice>);

/// The recipe that computes a contraction.
#[derive(Clone, Debug, PartialEq)]
pub struct Choice {
    /// Its [name](Recipe::name).
    pub recipe: String,
    /// What a run takes at least.
    pub seconds: f64,
    /// The name of the recipe that was estimated to be the fastest when this one was chosen.
    pub usual: String,
    /// What a run of that recipe takes at least.
    pub usual_seconds: f64,
}

impl Choices {
    /// None.
    pub fn new() -> Choices {
        Choices::default()
    }

    /// The choice for a contraction, by its text.
    pub fn get(&self, problem: &str) -> Option<&Choice> {
        self.0.get(problem)
    }

    /// Makes a choice, or another one.
    pub fn insert(&mut self, problem: String, choice: Choice) {
        self.0.insert(problem, choice);
    }

    /// All of them, in the order of the texts.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Choice)> {
        self.0.iter().map(|(problem, choice)| (problem.as_str(), choice))
    }

    /// The number of choices.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// A contraction of a plan, and how it is computed.
#[derive(Clone, Debug)]
pub struct Contracted {
    /// What is computed.
    pub problem: Problem,
    /// How.
    pub recipe: Arc<Recipe>,
    /// How many times a run computes it.
    pub uses: usize,
    /// The label of the first call that does.
    pub label: String,
    /// `None`: the estimates chose it. Else a measurement did ([`Choices`]): whether it is another one than theirs.
    pub chosen: Option<bool>,
}

/// The contractions of a plan while it is made.
pub struct Recipes<'a> {
    target: &'a Target,
    choices: &'a Choices,
    /// Whether only recipes are taken whose error is that of the definition.
    pub exact: bool,
    /// Whether recipes take little scratch memory rather than as many threads as they can.
    lean: bool,
    known: FxHashMap<Problem, usize>,
    found: Vec<Contracted>,
}

impl<'a> Recipes<'a> {
    /// None yet.
    pub fn new(target: &'a Target, choices: &'a Choices, exact: bool, lean: bool) -> Recipes<'a> {
        Recipes { target, choices, exact, lean, known: FxHashMap::default(), found: Vec::new() }
    }

    /// How a contraction is computed.
    ///
    /// # Panics
    /// If the operation is none.
    pub fn get(&mut self, problem: &Problem) -> Arc<Recipe> {
        let known = self.known.get(problem).copied().unwrap_or_else(|| {
            let (mut recipe, chosen) = recipe(problem, self.choices, self.target);
            if self.lean {
                recipe = recipe.with_fewer_tasks(LEAN_TASKS);
            }
            let (problem, recipe, number) = (problem.clone(), recipe.into(), self.found.len());
            self.known.insert(problem.clone(), number);
            self.found.push(Contracted { problem, recipe, uses: 0, label: String::new(), chosen });
            number
        });
        let found = &mut self.found[known];
        found.uses += 1;
        found.recipe.clone()
    }

    /// Names the contractions that were asked for since the last call.
    pub fn label(&mut self, label: &str) {
        self.found
            .iter_mut()
            .rev()
            .take_while(|found| found.label.is_empty())
            .for_each(|found| label.clone_into(&mut found.label));
    }

    /// Every contraction, in the order of their first uses.
    pub fn finish(self) -> Vec<Contracted> {
        self.found
    }
}

fn recipe(problem: &Problem, choices: &Choices, target: &Target) -> (Recipe, Option<bool>) {
    // A problem's text is written only where there is something to look it up in.
    let choice = if choices.is_empty() { None } else { choices.get(&problem.to_string()) };
    // Looked for in any case: a plan says of each choice whether it is another recipe than the usual one.
    let usual = problem.recipe(target);
    match choice {
        Some(choice) if choice.recipe == usual.name() => (usual, Some(false)),
        Some(choice) => match problem.named(&choice.recipe, target) {
            Some(chosen) => (chosen, Some(true)),
            // The recipe of that name is gone: the caches are of another size, or Kiln is of another version.
            None => (usual, None),
        },
        None => (usual, None),
    }
}
