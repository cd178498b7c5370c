//! Settings of losses and optimizers that are out of their range. Knows names, numbers and the rules' words.

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
    pub(crate) const fn unless(
        holds: bool,
        owner: &'static str,
        setting: &'static str,
        value: f64,
        rule: &'static str,
    ) -> Result<(), InvalidSetting> {
        if holds { Ok(()) } else { Err(InvalidSetting { owner, setting, value, rule }) }
    }

    /// An error unless the setting is a number that is not negative, and that an f32 can hold.
    pub(crate) const fn unless_not_negative(
        owner: &'static str,
        setting: &'static str,
        value: f64,
    ) -> Result<(), InvalidSetting> {
        let holds = value >= 0.0 && value <= f32::MAX as f64;
        InvalidSetting::unless(holds, owner, setting, value, "must be a finite number of at least 0")
    }

    /// An error unless the setting is a number that an f32 can hold.
    pub(crate) const fn unless_finite(
        owner: &'static str,
        setting: &'static str,
        value: f64,
    ) -> Result<(), InvalidSetting> {
        let holds = value.abs() <= f32::MAX as f64;
        InvalidSetting::unless(holds, owner, setting, value, "must be a finite number")
    }
}
