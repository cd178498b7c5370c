//! Kiln for Python: the module `kiln._kiln`, whose names the package `kiln` hands on. It turns arrays of NumPy's, names
//! and settings into calls of the facade, and errors into exceptions; it knows no operator and no optimizer's rule.
#![forbid(unsafe_code)]

mod arrays;
mod errors;
mod losses;
mod model;
mod optimizers;
mod predictor;
mod settings;
mod trainer;

/// Kiln compiles networks to native code, and runs and trains them over NumPy's arrays.
#[pyo3::pymodule(name = "_kiln")]
mod module {
    #[pymodule_export]
    use crate::losses::Loss;
    #[pymodule_export]
    use crate::model::{Input, Model, load};
    #[pymodule_export]
    use crate::optimizers::Optimizer;
    #[pymodule_export]
    use crate::predictor::Predictor;
    #[pymodule_export]
    use crate::trainer::Trainer;
}
