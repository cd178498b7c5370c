//! How a transform gets its values, and where it puts what it makes of them. It knows no transform.

use crate::kernel::{KernelBuilder, Value};

/// Gives the value of a row and a column.
pub type Load<'a> = dyn FnMut(&mut KernelBuilder, usize, usize) -> Value + 'a;
/// Takes the value of a row and a column.
pub type Store<'a> = dyn FnMut(&mut KernelBuilder, usize, usize, Value) + 'a;
