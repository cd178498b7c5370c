//! The model that a predictor has: a shell without values, of which graphs are built, until somebody asks for the
//! values. It knows no programs.

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
            let mut shell = self.shell.lock().unwrap_or_else(PoisonError::into_inner);
            // Taken when it is read: a model whose own code panics meanwhile can be asked again.
            read(shell.as_mut().expect("it is taken here alone, once"));
            shell.take().expect("it was there")
        })
    }

    /// The model, with or without its values.
    pub fn into_inner(self) -> Box<M> {
        let shell = self.shell.into_inner().unwrap_or_else(PoisonError::into_inner);
        self.whole.into_inner().or(shell).expect("one of the two is there")
    }
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use super::*;

    #[test]
    fn a_panic_while_it_is_read_leaves_it_to_be_asked_again() {
        let held = Held::new(Box::new(1));
        let read = catch_unwind(AssertUnwindSafe(|| *held.whole(|_| panic!("a model's own code"))));
        assert!(read.is_err());
        assert_eq!(held.with(|model| *model), 1);
        assert_eq!(*held.whole(|model| *model = 2), 2);
        assert_eq!((held.with(|model| *model), *held.into_inner()), (2, 2));
    }
}
