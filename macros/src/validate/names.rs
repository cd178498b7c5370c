//! The names of a body and what is known of each, while its statements are followed in order: looking one up, hiding
//! one by another and undoing a side of an `if` cost nothing for the names that are not touched.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::body::{Block, Statement};

/// Names in scope, the later ones hiding the earlier ones, each with what is known of it.
pub struct Names<T> {
    all: Vec<(String, T)>,
    /// Where each name stands among all.
    places: HashMap<String, Vec<usize>>,
    /// What was assigned, with what was known before.
    log: Vec<(usize, T)>,
}

impl<T> Default for Names<T> {
    fn default() -> Names<T> {
        Names { all: Vec::new(), places: HashMap::new(), log: Vec::new() }
    }
}

impl<T> Names<T> {
    pub fn of(names: Vec<(String, T)>) -> Names<T> {
        let mut all = Names::default();
        names.into_iter().for_each(|(name, known)| all.declare(&name, known));
        all
    }

    pub fn len(&self) -> usize {
        self.all.len()
    }

    pub fn declare(&mut self, name: &str, known: T) {
        self.places.entry(name.to_string()).or_default().push(self.all.len());
        self.all.push((name.to_string(), known));
    }

    /// All names, the later ones last; some may be hidden.
    pub fn iter(&self) -> impl Iterator<Item = &String> {
        self.all.iter().map(|(name, _)| name)
    }

    /// Forgets the names behind the first so many.
    pub fn truncate(&mut self, count: usize) {
        for (name, _) in self.all.drain(count..) {
            self.places.get_mut(&name).map(Vec::pop);
        }
    }

    /// The place of a name.
    pub fn find(&self, name: &str) -> Option<usize> {
        self.places.get(name)?.last().copied()
    }

    /// What is known of the name at a place.
    pub fn at(&self, place: usize) -> &T {
        &self.all[place].1
    }

    pub fn assign(&mut self, place: usize, known: T) {
        let before = std::mem::replace(&mut self.all[place].1, known);
        self.log.push((place, before));
    }

    /// A point to go back to.
    pub fn mark(&self) -> usize {
        self.log.len()
    }

    /// Undoes what was assigned since; gives what had been assigned to the names that are still there.
    pub fn back_to(&mut self, mark: usize) -> BTreeMap<usize, T> {
        let mut undone = BTreeMap::new();
        for (place, before) in self.log.drain(mark..).rev() {
            if let Some((_, known)) = self.all.get_mut(place) {
                let after = std::mem::replace(known, before);
                undone.entry(place).or_insert(after);
            }
        }
        undone
    }

    /// The places to whose names a block may assign.
    pub fn assigned(&self, block: &Block) -> BTreeSet<usize> {
        let mut found = BTreeSet::new();
        block.each_statement(&mut |statement| match statement {
            Statement::Set { declares: false, name, .. } => found.extend(self.find(&name.to_string())),
            Statement::List { name, change } if !change.declares() => found.extend(self.find(&name.to_string())),
            Statement::Unpack { declares: false, names, .. } => {
                found.extend(names.iter().flatten().filter_map(|name| self.find(&name.to_string())));
            }
            _ => {}
        });
        found
    }
}
