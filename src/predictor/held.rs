//! The model that a predictor has: a shell without values, of which graphs are built, until somebody asks for the values. It
//! knows no programs.

use std::sync::{Mutex, OnceLock, PoisonError};

/// A model whose values come when they are asked for.
pub struct Held<M> {
    /// Nothing from when it is made whole.
    shell: Mutex<Option<Box<M>>>,
    whole: OnceLock<Box<M>>,
}

impl<M> Held<M> {
    /// The shell of a model.
    pub fn new(shell: Box<M>) -> Held<M> {
        Held { shell: Mutex::new(Some(shell)), whole: OnceLock::new() }
    }

    /// Does something with the model, with or without its values.
    pub fn with<R>(&self, work: impl FnOnce(&M) -> R) -> R {
        if self.whole.get().is_none() {
            let shell = self.shell.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(model) = &*shell {
                return work(model);
            }
        }
        work(self.whole.wait())
    }

    /// The model with its values, which `read` gives it the first time.
    pub fn whole(&self, read: impl FnOnce(&mut M)) -> &M {
        self.whole.get_or_init(|| {
            let shell = self.shell.lock().unwrap_or_else(PoisonError::into_inner).take();
            let mut model = shell.expect("it is taken here alone, once");
            read(&mut model);
            model
        })
    }

    /// The model, with or without its values.
    pub fn into_inner(self) -> Box<M> {
        let shell = self.shell.into_inner().unwrap_or_else(PoisonError::into_inner);
        self.whole.into_inner().or(shell).expect("one of the two is there")
    }
}
