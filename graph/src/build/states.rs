//! States: values that live on between calls, and their updates. Knows not what they hold.

use super::{Builder, GraphError, Value};
use crate::graph::{NodeId, Role, Type, Update};

/// The condition of updates until it is dropped; see [`Builder::only_where`].
#[derive(Debug)]
#[must_use = "the condition ends when it is dropped"]
pub struct OnlyWhere<'g> {
    builder: &'g Builder,
    outer: Option<NodeId>,
}

impl Drop for OnlyWhere<'_> {
    fn drop(&mut self) {
        self.builder.condition.set(self.outer);
    }
}

impl Builder {
    /// A state input: a value that lives on between calls. The same name again gives the same value.
    pub fn state(&self, name: &str, ty: Type) -> Value<'_> {
        let Some((role, node)) = self.find_input(name) else { return self.new_input(name, Role::State, ty) };
        let found = self.value(node);
        if role != Role::State {
            self.fail(GraphError::DuplicateInput { name: name.into() });
            return self.poison(ty);
        }
        if found.ty() != ty {
            self.fail(GraphError::StateType { name: name.into(), expected: found.ty(), found: ty });
            return self.poison(ty);
        }
        found
    }

    /// After the call the state holds `new`. The last update of a state wins.
    ///
    /// The updated state is a value of its own: no gradient passes through the update, as in PyTorch, where optimizers
    /// and running statistics are updated without recording.
    pub fn update(&self, state: Value<'_>, new: Value<'_>) {
        if !self.owns(state) || !self.owns(new) {
            return;
        }
        let Some(input) = self.state_index(state) else {
            return self.fail(GraphError::NotAState { value: state.id(), ty: state.ty() });
        };
        if state.ty() != new.ty() {
            let name = self.graph.borrow().inputs[input].name.clone();
            return self.fail(GraphError::StateType { name, expected: state.ty(), found: new.ty() });
        }
        let new = match self.condition.get() {
            Some(condition) => self.value(condition).select(new, self.current(state)),
            None => new,
        };
        let node = new.detach().id();
        let updates = &mut self.graph.borrow_mut().updates;
        let mut index = self.index.borrow_mut();
        match index.update(input) {
            Some(position) => {
                let before = std::mem::replace(&mut updates[position].node, node);
                self.replaced.borrow_mut().entry(input).or_default().push(before);
            }
            None => {
                index.add_update(input, updates.len());
                updates.push(Update { input, node });
            }
        }
    }

    /// Until the result is dropped, updates take place where `condition` (a bool scalar) holds, and leave states as they are
    /// elsewhere.
    pub fn only_where<'g>(&'g self, condition: Value<'g>) -> OnlyWhere<'g> {
        let outer = self.condition.get();
        if self.owns(condition) {
            let both = outer.map_or(condition, |outer| self.value(outer) & condition);
            self.condition.set(Some(both.id()));
        }
        OnlyWhere { builder: self, outer }
    }

    /// Whether there is a state of this name so far.
    pub fn has_state(&self, name: &str) -> bool {
        self.find_input(name).is_some_and(|(role, _)| role == Role::State)
    }

    /// The new value of a state if it was updated, else the state itself.
    pub fn current<'g>(&'g self, state: Value<'g>) -> Value<'g> {
        if !self.owns(state) {
            return self.poison(state.ty());
        }
        let update = self.state_index(state).and_then(|input| self.index.borrow().update(input));
        update.map_or(state, |position| self.value(self.graph.borrow().updates[position].node))
    }

    /// All values that a state has had so far, from the one before the call to [`Builder::current`].
    pub(crate) fn versions<'g>(&'g self, state: Value<'g>) -> Vec<Value<'g>> {
        let input = self.state_index(state);
        let replaced = self.replaced.borrow();
        let earlier = input.and_then(|input| replaced.get(&input)).into_iter().flatten().map(|&node| self.value(node));
        let mut versions: Vec<Value<'g>> = std::iter::once(state).chain(earlier).collect();
        let current = self.current(state);
        if current.id() != state.id() {
            versions.push(current);
        }
        versions
    }

    pub(super) fn state_index(&self, state: Value<'_>) -> Option<usize> {
        let position = self.index.borrow().input_of(state.id())?;
        (self.graph.borrow().inputs[position].role == Role::State).then_some(position)
    }
}
