//! Declaring an optimizer: a struct of its settings with PyTorch's defaults, a setter for each, and what all optimizers
//! have in common. Knows no rule by which parameters change.

/// The type of a setting of a kind.
macro_rules! setting_type {
    (number) => {
        f64
    };
    (flag) => {
        bool
    };
    (pair) => {
        (f64, f64)
    };
    (triple) => {
        (f64, f64, f64)
    };
    (count) => {
        u32
    };
    (adjustment) => {
        $crate::optimizers::AdjustLr
    };
}

pub(super) use setting_type;

/// The setter of a setting, with its default in the documentation.
macro_rules! setting_setter {
    (number, $name:ident, $setting:ident = $default:expr, [$(#[$doc:meta])*]) => {
        $(#[$doc])*
        #[doc = concat!(" Default: `", stringify!($default), "`.")]
        pub const fn $setting(mut self, $setting: f64) -> $name {
            self.$setting = $setting;
            self
        }
    };
    (flag, $name:ident, $setting:ident = $default:expr, [$(#[$doc:meta])*]) => {
        $(#[$doc])*
        #[doc = concat!(" Default: `", stringify!($default), "`.")]
        pub const fn $setting(mut self, $setting: bool) -> $name {
            self.$setting = $setting;
            self
        }
    };
    (pair, $name:ident, $setting:ident = $default:expr, [$(#[$doc:meta])*]) => {
        $(#[$doc])*
        #[doc = concat!(" Default: `", stringify!($default), "`.")]
        pub const fn $setting(mut self, first: f64, second: f64) -> $name {
            self.$setting = (first, second);
            self
        }
    };
    (triple, $name:ident, $setting:ident = $default:expr, [$(#[$doc:meta])*]) => {
        $(#[$doc])*
        #[doc = concat!(" Default: `", stringify!($default), "`.")]
        pub const fn $setting(mut self, first: f64, second: f64, third: f64) -> $name {
            self.$setting = (first, second, third);
            self
        }
    };
    (count, $name:ident, $setting:ident = $default:expr, [$(#[$doc:meta])*]) => {
        $(#[$doc])*
        #[doc = concat!(" Default: `", stringify!($default), "`.")]
        pub const fn $setting(mut self, $setting: u32) -> $name {
            self.$setting = $setting;
            self
        }
    };
    (adjustment, $name:ident, $setting:ident = $default:expr, [$(#[$doc:meta])*]) => {
        $(#[$doc])*
        #[doc = concat!(" Default: `", stringify!($default), "`.")]
        pub const fn $setting(mut self, $setting: $crate::optimizers::AdjustLr) -> $name {
            self.$setting = $setting;
            self
        }
    };
}

pub(super) use setting_setter;

/// Declares an optimizer: `NAME { SETTING: KIND = DEFAULT, .. }`, of which `lr` is one. Beside it there are to be
/// `const fn rules(&self) -> Result<(), InvalidSetting>` for the settings' ranges, `fn update(&self, g, parameters,
/// gradients)`, which records the updates, and `fn kept(&self) -> Kept`, the states.
macro_rules! optimizer {
    ($(#[$doc:meta])* $name:ident { $($(#[$setting_doc:meta])* $setting:ident: $kind:ident = $default:expr),* $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq)]
        pub struct $name {
            $($setting: $crate::optimizers::settings::setting_type!($kind),)*
            options: $crate::optimizers::Options,
            groups: Vec<$crate::optimizers::Group<$name>>,
        }

        impl Default for $name {
            fn default() -> $name {
                $name::DEFAULT
            }
        }

        impl $name {
            /// PyTorch's defaults.
            pub const DEFAULT: $name =
                $name { $($setting: $default,)* options: $crate::optimizers::Options::NONE, groups: Vec::new() };

            #[doc = concat!(stringify!($name), " with the given learning rate and PyTorch's defaults.")]
            pub const fn new(lr: f64) -> $name {
                $name::DEFAULT.lr(lr)
            }

            $($crate::optimizers::settings::setting_setter!($kind, $name, $setting = $default, [$(#[$setting_doc])*]);)*

            $crate::optimizers::options::option_setters!($name);

            /// Whether the settings are in their range, as [`Optimizer::check`](crate::optimizers::Optimizer::check), also
            /// in constants.
            ///
            /// # Errors
            /// The first setting that is not.
            pub const fn check(&self) -> Result<(), $crate::setting::InvalidSetting> {
                ok!($crate::setting::InvalidSetting::unless_not_negative(stringify!($name), "lr", self.lr));
                ok!(self.rules());
                self.options.check(stringify!($name))
            }
        }

        impl $crate::optimizers::Optimizer for $name {
            fn apply<'g>(
                &self,
                g: &'g $crate::build::Builder,
                parameters: &[(String, $crate::build::Value<'g>)],
                gradients: &[$crate::build::Value<'g>],
            ) {
                let _stage = g.stage($crate::graph::Stage::Update);
                if let Err(error) = self.check() {
                    g.fail(error.into());
                }
                self.update(g, parameters, gradients);
            }

            fn initial_state(
                &self,
                parameters: &[(String, $crate::shape::Shape)],
            ) -> Vec<(String, $crate::shape::Shape, f32)> {
                self.kept().initial(self.lr, parameters)
            }

            fn learning_rate(&self) -> f64 {
                self.lr
            }

            fn check(&self) -> Result<(), $crate::setting::InvalidSetting> {
                $name::check(self)?;
                $crate::optimizers::groups::check(stringify!($name), &self.groups)
            }

            fn has_momentum(&self) -> bool {
                $name::HAS_MOMENTUM
            }

            fn options(&self) -> &$crate::optimizers::Options {
                &self.options
            }

            fn groups(&self) -> Vec<(&$crate::optimizers::Select, &dyn $crate::optimizers::Optimizer)> {
                $crate::optimizers::groups::rules(&self.groups)
            }
        }
    };
}

pub(super) use optimizer;
