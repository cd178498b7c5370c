//! The transforms of F(m x m, r x r): `Y = A' ((G g G') * (B' d B)) A`, element by element, for the m x m results `Y`
//! of a patch `d` of (m + r - 1) x (m + r - 1) under a kernel `g` of r x r (Lavin and Gray, Fast Algorithms for
//! Convolutional Neural Networks, 2015). It knows values alone.

mod six;
mod two;
mod values;

use values::{Load, Store};

use crate::contraction::key::{Key, Keyed};
use crate::contraction::text::{Reader, RecipeError, Text};
use crate::cost::params::winograd::large::LANES;
use crate::kernel::KernelBuilder;
use crate::target::Target;

/// Which of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Filtering {
    /// F(2 x 2, 3 x 3): 4 multiplications a result; its error is about that of the definition.
    F23,
    /// F(4 x 4, 3 x 3): 2.25 multiplications a result; its error is 3 to 8 times that of the definition
    /// (`docs/experiments/028-larger-tiles-for-winograd.md`).
    F43,
    /// F(2 x 2, 5 x 5): 9 multiplications a result instead of 25, with an error as that of [`Filtering::F43`].
    F25,
}

impl Filtering {
    /// Those that are looked at.
    pub fn of(target: &Target) -> &'static [Filtering] {
        if target.lanes >= LANES { &[Filtering::F23, Filtering::F43, Filtering::F25] } else { &[Filtering::F23] }
    }

    /// Whether sums of so many terms may be computed so; the error was looked at with up to so many.
    pub fn takes(self, terms: usize, most: usize) -> bool {
        self == Filtering::F23 || terms <= most
    }

    /// Elements of the kernel along each axis.
    pub fn kernel(self) -> usize {
        match self {
            Filtering::F23 | Filtering::F43 => 3,
            Filtering::F25 => 5,
        }
    }

    /// Results of a tile along each axis.
    pub fn tile(self) -> usize {
        match self {
            Filtering::F23 | Filtering::F25 => 2,
            Filtering::F43 => 4,
        }
    }

    /// Inputs of a patch along each axis.
    pub fn patch(self) -> usize {
        self.tile() + self.kernel() - 1
    }

    /// Elements of a transformed patch or kernel.
    pub fn elements(self) -> usize {
        self.patch() * self.patch()
    }

    /// The number of an element.
    pub fn element(self, row: usize, column: usize) -> usize {
        self.patch() * row + column
    }

    /// `B' d B`. Of the patch, the first `present` rows and columns (those of a kernel at least) are there; the
    /// others are 0.
    pub fn inputs(self, kernel: &mut KernelBuilder, present: [usize; 2], load: &mut Load<'_>, store: &mut Store<'_>) {
        match self {
            Filtering::F23 => two::inputs(kernel, present, load, store),
            Filtering::F43 | Filtering::F25 => six::inputs(kernel, present, load, store),
        }
    }

    /// `G g G'`.
    pub fn weights(self, kernel: &mut KernelBuilder, load: &mut Load<'_>, store: &mut Store<'_>) {
        match self {
            Filtering::F23 => two::weights(kernel, load, store),
            Filtering::F43 | Filtering::F25 => six::weights(kernel, self.kernel(), load, store),
        }
    }

    /// `A' m A`, of which the first `wanted` rows and columns.
    pub fn results(self, kernel: &mut KernelBuilder, wanted: [usize; 2], load: &mut Load<'_>, store: &mut Store<'_>) {
        match self {
            Filtering::F23 => two::results(kernel, wanted, load, store),
            Filtering::F43 | Filtering::F25 => six::results(kernel, self.tile(), wanted, load, store),
        }
    }

    /// `A dy A'` of the gradient `dy` of a tile, of which the first `present` rows and columns are there, as
    /// [`weight_gradients`](Filtering::weight_gradients) takes it.
    pub fn gradients(
        self,
        kernel: &mut KernelBuilder,
        present: [usize; 2],
        load: &mut Load<'_>,
        store: &mut Store<'_>,
    ) {
        match self {
            Filtering::F23 => two::gradients(kernel, present, load, store),
            Filtering::F43 | Filtering::F25 => six::gradients(kernel, self.tile(), present, load, store),
        }
    }

    /// `G' m G`, of sums over what [`gradients`](Filtering::gradients) gives.
    pub fn weight_gradients(self, kernel: &mut KernelBuilder, load: &mut Load<'_>, store: &mut Store<'_>) {
        match self {
            Filtering::F23 => two::weight_gradients(kernel, load, store),
            Filtering::F43 | Filtering::F25 => six::weight_gradients(kernel, self.kernel(), load, store),
        }
    }
}

/// [`Filtering::F23`] adds nothing: recipes were named, and measured, before there was another one.
impl Keyed for Filtering {
    fn key(&self, key: &mut Key) {
        if *self != Filtering::F23 {
            key.add(&self.tile()).add(&self.kernel());
        }
    }
}

impl Text for Filtering {
    fn write(&self, to: &mut String) {
        (self.tile(), self.kernel()).write(to);
    }

    fn read(from: &mut Reader<'_>) -> Result<Filtering, RecipeError> {
        let filterings = [Filtering::F23, Filtering::F43, Filtering::F25];
        let of: (usize, usize) = Text::read(from)?;
        let found = filterings.into_iter().find(|filtering| (filtering.tile(), filtering.kernel()) == of);
        found.map_or_else(|| from.error("(2, 3), (4, 3) or (2, 5)"), Ok)
    }
}
