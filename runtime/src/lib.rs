//! What compiled programs need while they run. Knows no graph and no code generator.

pub mod random;
