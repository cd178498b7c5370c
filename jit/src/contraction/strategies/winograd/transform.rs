//! The transforms of F(m x m, 3 x 3): `Y = A' ((G g G') * (B' d B)) A`, element by element, for the m x m results `Y` of
//! a patch `d` of (m + 2) x (m + 2) under a kernel `g` of 3 x 3 (Lavin and Gray, Fast Algorithms for Convolutional
//! Neural Networks, 2015), with m = 2 or 4. It knows values alone.

mod four;
mod two;
mod values;

use values::{Load, Store};

use crate::contraction::key::{Key, Keyed};
use crate::contraction::text::{Reader, RecipeError, Text};
use crate::cost::params::winograd::four::LANES;
use crate::kernel::KernelBuilder;
use crate::target::Target;

/// Which of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Form {
    /// F(2 x 2, 3 x 3): 4 multiplications a result; its error is about that of the definition.
    Two,
    /// F(4 x 4, 3 x 3): 2.25 multiplications a result; its error is about 3 times that of the definition
    /// (`docs/experiments/028-larger-tiles-for-winograd.md`).
    Four,
}

impl Form {
    /// Those that a contraction may be computed by whose sums have so many terms, and which were looked at with up to so
    /// many.
    pub fn of(terms: usize, most: usize, target: &Target) -> &'static [Form] {
        let is_large = terms <= most && target.lanes >= LANES;
        if is_large { &[Form::Two, Form::Four] } else { &[Form::Two] }
    }

    /// Results of a tile along each axis.
    pub fn tile(self) -> usize {
        match self {
            Form::Two => 2,
            Form::Four => 4,
        }
    }

    /// Inputs of a patch along each axis.
    pub fn patch(self) -> usize {
        self.tile() + 2
    }

    /// Elements of a transformed patch or kernel.
    pub fn elements(self) -> usize {
        self.patch() * self.patch()
    }

    /// The number of an element.
    pub fn element(self, row: usize, column: usize) -> usize {
        self.patch() * row + column
    }

    /// `B' d B`. Of the patch, the first `present` rows and columns (3 at least) are there; the others are 0.
    pub fn inputs(self, kernel: &mut KernelBuilder, present: [usize; 2], load: &mut Load<'_>, store: &mut Store<'_>) {
        match self {
            Form::Two => two::inputs(kernel, present, load, store),
            Form::Four => four::inputs(kernel, present, load, store),
        }
    }

    /// `G g G'`.
    pub fn weights(self, kernel: &mut KernelBuilder, load: &mut Load<'_>, store: &mut Store<'_>) {
        match self {
            Form::Two => two::weights(kernel, load, store),
            Form::Four => four::weights(kernel, load, store),
        }
    }

    /// `A' m A`, of which the first `wanted` rows and columns.
    pub fn results(self, kernel: &mut KernelBuilder, wanted: [usize; 2], load: &mut Load<'_>, store: &mut Store<'_>) {
        match self {
            Form::Two => two::results(kernel, wanted, load, store),
            Form::Four => four::results(kernel, wanted, load, store),
        }
    }

    /// `A dy A'` of the gradient `dy` of a tile, of which the first `present` rows and columns are there, as
    /// [`weight_gradients`](Form::weight_gradients) takes it.
    pub fn gradients(
        self,
        kernel: &mut KernelBuilder,
        present: [usize; 2],
        load: &mut Load<'_>,
        store: &mut Store<'_>,
    ) {
        match self {
            Form::Two => two::gradients(kernel, present, load, store),
            Form::Four => four::gradients(kernel, present, load, store),
        }
    }

    /// `G' m G`, of sums over what [`gradients`](Form::gradients) gives.
    pub fn weight_gradients(self, kernel: &mut KernelBuilder, load: &mut Load<'_>, store: &mut Store<'_>) {
        match self {
            Form::Two => two::weight_gradients(kernel, load, store),
            Form::Four => four::weight_gradients(kernel, load, store),
        }
    }
}

/// [`Form::Two`] adds nothing: recipes were named, and measured, before there was another one.
impl Keyed for Form {
    fn key(&self, key: &mut Key) {
        if *self == Form::Four {
            key.add(&self.tile());
        }
    }
}

impl Text for Form {
    fn write(&self, to: &mut String) {
        self.tile().write(to);
    }

    fn read(from: &mut Reader<'_>) -> Result<Form, RecipeError> {
        Ok(if from.one_of(&["2", "4"])? == 0 { Form::Two } else { Form::Four })
    }
}
