//! PyTorch finds while it runs that a cycle has no length.

use kiln::prelude::*;

fn main() {
    let schedule = OneCycleLR::new(1.0);
}
