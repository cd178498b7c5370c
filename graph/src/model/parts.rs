//! Tuples and arrays of what holds parameters, which are no layers themselves: fields such as `body: Sequential(..)` and
//! `blocks: [..; 3]` can be saved, loaded and looked at like layers.

use super::{Parameter, Parameters};

/// The name of something in the part at a position: `0.weight`, as in PyTorch's `Sequential`.
fn named(position: usize, name: &str) -> String {
    if name.is_empty() { position.to_string() } else { format!("{position}.{name}") }
}

impl<P: Parameters, const COUNT: usize> Parameters for [P; COUNT] {
    fn each_parameter<'a>(&'a self, f: &mut dyn FnMut(&str, &'a Parameter)) {
        for (position, part) in self.iter().enumerate() {
            part.each_parameter(&mut |name, parameter| f(&named(position, name), parameter));
        }
    }

    fn each_parameter_mut(&mut self, f: &mut dyn FnMut(&str, &mut Parameter)) {
        for (position, part) in self.iter_mut().enumerate() {
            part.each_parameter_mut(&mut |name, parameter| f(&named(position, name), parameter));
        }
    }

    fn each_layer(&self, f: &mut dyn FnMut(&str, &str)) {
        for (position, part) in self.iter().enumerate() {
            part.each_layer(&mut |name, layer| f(&named(position, name), layer));
        }
    }
}

macro_rules! tuples {
    ($($($part:ident $position:tt),*;)*) => {$(
        impl<$($part: Parameters),*> Parameters for ($($part,)*) {
            fn each_parameter<'a>(&'a self, f: &mut dyn FnMut(&str, &'a Parameter)) {
                $(self.$position.each_parameter(&mut |name, parameter| f(&named($position, name), parameter));)*
            }

            fn each_parameter_mut(&mut self, f: &mut dyn FnMut(&str, &mut Parameter)) {
                $(self.$position.each_parameter_mut(&mut |name, parameter| f(&named($position, name), parameter));)*
            }

            fn each_layer(&self, f: &mut dyn FnMut(&str, &str)) {
                $(self.$position.each_layer(&mut |name, layer| f(&named($position, name), layer));)*
            }
        }
    )*};
}

tuples! {
    A 0;
    A 0, B 1;
    A 0, B 1, C 2;
    A 0, B 1, C 2, D 3;
    A 0, B 1, C 2, D 3, E 4;
    A 0, B 1, C 2, D 3, E 4, F 5;
    A 0, B 1, C 2, D 3, E 4, F 5, G 6;
    A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7;
    A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7, I 8;
    A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7, I 8, J 9;
    A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7, I 8, J 9, K 10;
    A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7, I 8, J 9, K 10, L 11;
}
