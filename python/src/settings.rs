//! Settings as keyword arguments of Python's, and setting them. It knows none by name.

use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyDict;

/// The value of a setting.
#[derive(Clone, Debug)]
pub enum Setting {
    Flag(bool),
    Number(f64),
    Numbers(Vec<f64>),
    Word(String),
}

/// Settings by their names, in the order in which they were said.
pub type Settings = Vec<(String, Setting)>;

/// Those of a dictionary.
///
/// # Errors
/// `TypeError` for what is no flag, number, sequence of numbers or word.
pub fn settings(given: Option<&Bound<'_, PyDict>>) -> PyResult<Settings> {
    // None is what PyTorch has for what is not said.
    let said = given.into_iter().flat_map(|given| given.iter()).filter(|(_, value)| !value.is_none());
    let each = said.map(|(name, value)| {
        let name: String = name.extract()?;
        // `True` is a number for Python, too.
        let setting = if let Ok(flag) = value.extract::<bool>() {
            Setting::Flag(flag)
        } else if let Ok(number) = value.extract::<f64>() {
            Setting::Number(number)
        } else if let Ok(word) = value.extract::<String>() {
            Setting::Word(word)
        } else if let Ok(numbers) = value.extract::<Vec<f64>>() {
            Setting::Numbers(numbers)
        } else {
            let found = value.get_type().name()?;
            return Err(PyTypeError::new_err(format!(
                "`{name}` takes a number, a flag or a sequence of numbers, not {found}"
            )));
        };
        Ok((name, setting))
    });
    each.collect()
}

/// That a setting has a value of another kind.
fn wrong(name: &str, wanted: &str) -> PyErr {
    PyTypeError::new_err(format!("`{name}` takes {wanted}"))
}

impl Setting {
    pub fn flag(&self, name: &str) -> PyResult<bool> {
        if let Setting::Flag(flag) = self { Ok(*flag) } else { Err(wrong(name, "True or False")) }
    }

    pub fn number(&self, name: &str) -> PyResult<f64> {
        if let Setting::Number(number) = self { Ok(*number) } else { Err(wrong(name, "a number")) }
    }

    /// A whole number of a type.
    pub fn whole<T: TryFrom<i64>>(&self, name: &str) -> PyResult<T> {
        let number = self.number(name)?;
        let whole = if number.fract() == 0.0 { T::try_from(number as i64).ok() } else { None };
        whole.ok_or_else(|| PyValueError::new_err(format!("`{name}` takes a whole number in its range, not {number}")))
    }

    pub fn numbers(&self, name: &str) -> PyResult<Vec<f64>> {
        if let Setting::Numbers(numbers) = self {
            Ok(numbers.clone())
        } else {
            Err(wrong(name, "a sequence of numbers"))
        }
    }

    pub fn pair(&self, name: &str) -> PyResult<[f64; 2]> {
        self.numbers(name)?.try_into().map_err(|_| wrong(name, "two numbers"))
    }

    pub fn word(&self, name: &str) -> PyResult<&str> {
        if let Setting::Word(word) = self { Ok(word) } else { Err(wrong(name, "a word")) }
    }
}

/// That something has no setting of a name.
pub fn no_setting(owner: &str, name: &str, known: &[&str]) -> PyErr {
    PyTypeError::new_err(format!("{owner} has no setting `{name}`; it has {}", known.join(", ")))
}

/// That there is nothing of a name.
pub fn no_such(what: &str, name: &str, known: &[&str]) -> PyErr {
    PyValueError::new_err(format!("there is no {what} `{name}`; there are {}", known.join(", ")))
}
