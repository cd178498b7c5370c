//! What all losses of one prediction and one target have: a function of the graph, an object for a trainer with
//! settings, and their common documentation. It knows no particular loss.

/// Declares a loss of a function that gives the losses of the single elements,
/// `fn losses(prediction, target, weights.., settings..) -> Losses`: its function over values, its object, and the
/// object's constructor and setters.
///
/// `target` gives the type of the target for a prediction's shape. `classes` says that targets are classes along the axis
/// that a function of that shape gives, and which one is left out.
macro_rules! losses {
    ($(
        $(#[$doc:meta])*
        $constructor:ident, $name:ident, $function:ident, $losses:path;
        takes $target:ty, $target_type:path;
        $(classes $axis:path, ignores $ignored:expr;)?
        $(weight $weight:ident: $given:ident;)?
        { $($(#[$setting_doc:meta])* $setting:ident: $ty:ty = $default:expr,)* }
    )*) => {$(
        #[doc = concat!("The loss of [`", stringify!($constructor), "`], which says more of it, as a function over values.")]
        pub fn $function<'g>(
            prediction: Value<'g>,
            target: Value<'g>,
            $($weight: Option<Value<'g>>,)?
            $($setting: $ty,)*
            reduction: Reduction,
        ) -> Value<'g> {
            let _function = prediction.graph().function(stringify!($constructor));
            $losses(prediction, target, $($weight,)? $($setting),*).reduce(reduction)
        }

        #[doc = concat!("See [`", stringify!($constructor), "`].")]
        #[derive(Clone, Debug)]
        pub struct $name {
            $($weight: Option<ArrayD<f32>>,)?
            $($setting: $ty,)*
            reduction: Reduction,
        }

        $(#[$doc])*
        pub fn $constructor() -> $name {
            $name { $($weight: None,)? $($setting: $default,)* reduction: Reduction::Mean }
        }

        impl $name {
            $($crate::losses::object::weight! { $weight: $given })?

            $(
                $(#[$setting_doc])*
                pub fn $setting(mut self, $setting: $ty) -> $name {
                    self.$setting = $setting;
                    self
                }
            )*

            /// What becomes of the single losses. Default: their mean.
            pub fn reduction(mut self, reduction: Reduction) -> $name {
                self.reduction = reduction;
                self
            }

            fn losses<'g>(&self, g: &'g Builder, prediction: Value<'g>, target: Value<'g>) -> Losses<'g> {
                let _ = g;
                $losses(prediction, target, $(weight_state(g, "loss.weight", &self.$weight),)? $(self.$setting),*)
            }
        }

        impl Loss for $name {
            type Target = $target;

            fn target_type(&self, prediction: Shape) -> Type {
                $target_type(prediction)
            }

            fn loss<'g>(&self, g: &'g Builder, prediction: Value<'g>, target: Value<'g>) -> Value<'g> {
                let _function = g.function(stringify!($constructor));
                self.losses(g, prediction, target).reduce(self.reduction)
            }

            fn total<'g>(&self, g: &'g Builder, prediction: Value<'g>, target: Value<'g>) -> Total<'g> {
                let _function = g.function(stringify!($constructor));
                self.losses(g, prediction, target).evaluated(self.reduction, samples(prediction))
            }

            fn averages(&self) -> bool {
                self.reduction.averages()
            }

            fn states(&self) -> Vec<(String, ArrayD<f32>)> {
                let weights: &[&Option<ArrayD<f32>>] = &[$(&self.$weight)?];
                let given = weights.iter().filter_map(|weight| weight.as_ref());
                given.map(|weight| ("loss.weight".to_owned(), weight.clone())).collect()
            }

            $(
                fn classes(&self, prediction: Shape) -> Option<usize> {
                    (prediction.rank() > 0).then(|| prediction.dim($axis(prediction)))
                }

                fn ignored(&self) -> Option<i32> {
                    let ignored: fn(&$name) -> Option<i32> = $ignored;
                    ignored(self)
                }
            )?
        }
    )*};
}

/// The setter of weights, which are given as an array or as a number for each class.
macro_rules! weight {
    ($weight:ident: array) => {
        /// A factor for each loss; broadcast to the prediction's shape. Default: 1.
        pub fn $weight(mut self, weight: ArrayD<f32>) -> Self {
            self.$weight = Some(weight);
            self
        }
    };
    ($weight:ident: classes) => {
        /// A weight for each class. Default: 1.
        pub fn $weight(mut self, weight: &[f32]) -> Self {
            self.$weight = Some(ArrayD::from_shape_vec(vec![weight.len()], weight.to_vec()).expect("one axis"));
            self
        }
    };
}

pub(super) use {losses, weight};
