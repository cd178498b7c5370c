//! The transforms of F(m x m, r x r): `Y = A' ((G g G') * (B' d B)) A`, element by element, for the m x m results `Y` of
//! a patch `d` of (m + r - 1) x (m + r - 1) under a kernel `g` of r x r (Lavin and Gray, Fast Algorithms for
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
pub enum Form {
    /// F(2 x 2, 3 x 3): 4 multiplications a result; its error is about that of the definition.
    Two,
    /// F(4 x 4, 3 x 3): 2.25 multiplications a result; its error is 3 to 8 times that of the definition
    /// (`docs/experiments/028-larger-tiles-for-winograd.md`).
    Four,
    /// F(2 x 2, 5 x 5): 9 multiplications a result instead of 25, with an error as that of [`Form::Four`].
    Five,
}

impl Form {
    /// Those that are looked at.
    pub fn of(target: &Target) -> &'static [Form] {
        if target.lanes >= LANES { &[Form::Two, Form::Four, Form::Five] } else { &[Form::Two] }
    }

    /// Whether sums of so many terms may be computed so; the error was looked at with up to so many.
    pub fn takes(self, terms: usize, most: usize) -> bool {
        self == Form::Two || terms <= most
    }

    /// Elements of the kernel along each axis.
    pub fn kernel(self) -> usize {
        match self {
            Form::Two | Form::Four => 3,
            Form::Five => 5,
        }
    }

    /// Results of a tile along each axis.
    pub fn tile(self) -> usize {
        match self {
            Form::Two | Form::Five => 2,
            Form::Four => 4,
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

    /// `B' d B`. Of the patch, the first `present` rows and columns (those of a kernel at least) are there; the others are 0.
    pub fn inputs(self, kernel: &mut KernelBuilder, present: [usize; 2], load: &mut Load<'_>, store: &mut Store<'_>) {
        match self {
            Form::Two => two::inputs(kernel, present, load, store),
            Form::Four | Form::Five => six::inputs(kernel, present, load, store),
        }
    }

    /// `G g G'`.
    pub fn weights(self, kernel: &mut KernelBuilder, load: &mut Load<'_>, store: &mut Store<'_>) {
        match self {
            Form::Two => two::weights(kernel, load, store),
            Form::Four | Form::Five => six::weights(kernel, self.kernel(), load, store),
        }
    }

    /// `A' m A`, of which the first `wanted` rows and columns.
    pub fn results(self, kernel: &mut KernelBuilder, wanted: [usize; 2], load: &mut Load<'_>, store: &mut Store<'_>) {
        match self {
            Form::Two => two::results(kernel, wanted, load, store),
            Form::Four | Form::Five => six::results(kernel, self.tile(), wanted, load, store),
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
            Form::Four | Form::Five => six::gradients(kernel, self.tile(), present, load, store),
        }
    }

    /// `G' m G`, of sums over what [`gradients`](Form::gradients) gives.
    pub fn weight_gradients(self, kernel: &mut KernelBuilder, load: &mut Load<'_>, store: &mut Store<'_>) {
        match self {
            Form::Two => two::weight_gradients(kernel, load, store),
            Form::Four | Form::Five => six::weight_gradients(kernel, self.kernel(), load, store),
        }
    }
}

/// [`Form::Two`] adds nothing: recipes were named, and measured, before there was another one.
impl Keyed for Form {
    fn key(&self, key: &mut Key) {
        if *self != Form::Two {
            key.add(&self.tile()).add(&self.kernel());
        }
    }
}

impl Text for Form {
    fn write(&self, to: &mut String) {
        (self.tile(), self.kernel()).write(to);
    }

    fn read(from: &mut Reader<'_>) -> Result<Form, RecipeError> {
        let forms = [Form::Two, Form::Four, Form::Five];
        let of: (usize, usize) = Text::read(from)?;
        let found = forms.into_iter().find(|form| (form.tile(), form.kernel()) == of);
        found.map_or_else(|| from.error("(2, 3), (4, 3) or (2, 5)"), Ok)
    }
}
