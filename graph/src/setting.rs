//! Settings of losses and optimizers that are out of their range.

/// A setting whose value is not allowed.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
#[error("{owner}: {setting} = {value}, but {rule}")]
pub struct InvalidSetting {
    /// The loss or the optimizer: `Adam`.
    pub owner: &'static str,
    /// The setting: `betas.0`.
    pub setting: &'static str,
    /// Its value.
    pub value: f64,
    /// What must hold: `must be at least 0 and below 1`.
    pub rule: &'static str,
}

impl InvalidSetting {
    /// An error unless the rule holds.
    pub(crate) fn unless(
        holds: bool,
        owner: &'static str,
        setting: &'static str,
        value: f64,
        rule: &'static str,
    ) -> Result<(), InvalidSetting> {
        if holds { Ok(()) } else { Err(InvalidSetting { owner, setting, value, rule }) }
    }

    /// An error unless the setting is a number that is not negative.
    pub(crate) fn unless_not_negative(
        owner: &'static str,
        setting: &'static str,
        value: f64,
    ) -> Result<(), InvalidSetting> {
        InvalidSetting::unless(value >= 0.0, owner, setting, value, "must be at least 0")
    }
}
