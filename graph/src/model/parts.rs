//! Tuples and arrays of what holds parameters, which are no layers themselves: fields such as `body: Sequential(..)`
//! and `blocks: [..; 3]` can be saved, loaded and looked at like layers.

use super::{Parameter, Parameters};

/// The name of something in the part at a position: `0.weight`, as in PyTorch's `Sequential`.
fn named(position: usize, name: &str) -> String {
    if name.is_empty() { position.to_string() } else { format!("{position}.{name}") }
}

fn parameters<'a>(parts: impl Iterator<Item = &'a dyn Parameters>, f: &mut dyn FnMut(&str, &'a Parameter)) {
    for (position, part) in parts.enumerate() {
        part.each_parameter(&mut |name, parameter| f(&named(position, name), parameter));
    }
}

fn parameters_mut<'a>(parts: impl Iterator<Item = &'a mut dyn Parameters>, f: &mut dyn FnMut(&str, &mut Parameter)) {
    for (position, part) in parts.enumerate() {
        part.each_parameter_mut(&mut |name, parameter| f(&named(position, name), parameter));
    }
}

fn layers<'a>(parts: impl Iterator<Item = &'a dyn Parameters>, f: &mut dyn FnMut(&str, &str)) {
    for (position, part) in parts.enumerate() {
        part.each_layer(&mut |name, layer| f(&named(position, name), layer));
    }
}

impl<P: Parameters, const COUNT: usize> Parameters for [P; COUNT] {
    fn each_parameter<'a>(&'a self, f: &mut dyn FnMut(&str, &'a Parameter)) {
        parameters(self.iter().map(|part| part as &dyn Parameters), f);
    }

    fn each_parameter_mut(&mut self, f: &mut dyn FnMut(&str, &mut Parameter)) {
        parameters_mut(self.iter_mut().map(|part| part as &mut dyn Parameters), f);
    }

    fn each_layer(&self, f: &mut dyn FnMut(&str, &str)) {
        layers(self.iter().map(|part| part as &dyn Parameters), f);
    }
}

/// For tuples of one part, of two, .. to all of them.
macro_rules! tuples {
    ([$($part:ident $position:tt)*]) => {};
    ([$($part:ident $position:tt)*] $next:ident $place:tt $($left:tt)*) => {
        tuples!(@ $($part $position)* $next $place);
        tuples!([$($part $position)* $next $place] $($left)*);
    };
    (@ $($part:ident $position:tt)*) => {
        impl<$($part: Parameters),*> Parameters for ($($part,)*) {
            fn each_parameter<'a>(&'a self, f: &mut dyn FnMut(&str, &'a Parameter)) {
                let parts: [&'a dyn Parameters; _] = [$(&self.$position),*];
                parameters(parts.into_iter(), f);
            }

            fn each_parameter_mut(&mut self, f: &mut dyn FnMut(&str, &mut Parameter)) {
                let parts: [&mut dyn Parameters; _] = [$(&mut self.$position),*];
                parameters_mut(parts.into_iter(), f);
            }

            fn each_layer(&self, f: &mut dyn FnMut(&str, &str)) {
                let parts: [&dyn Parameters; _] = [$(&self.$position),*];
                layers(parts.into_iter(), f);
            }
        }
    };
}

// The longest `Sequential` of torchvision's networks, that of a VGG with batch norms, has 53 parts.
tuples! {
    [] A 0 B 1 C 2 D 3 E 4 F 5 G 6 H 7 I 8 J 9 K 10 L 11 M 12 N 13 O 14 P 15 Q 16 R 17 S 18 T 19 U 20 V 21 W 22 X 23 Y 24
    Z 25 A1 26 B1 27 C1 28 D1 29 E1 30 F1 31 G1 32 H1 33 I1 34 J1 35 K1 36 L1 37 M1 38 N1 39 O1 40 P1 41 Q1 42 R1 43 S1 44
    T1 45 U1 46 V1 47 W1 48 X1 49 Y1 50 Z1 51 A2 52 B2 53 C2 54 D2 55
}
