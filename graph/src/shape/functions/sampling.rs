//! The shape rules of sampling at any places: grids of places, and what lies there. Of the layer they know the words
//! for its modes.

use crate::layers::grid_sample::{GridMode, GridPadding};
use crate::shape::{Shape, ShapeError, rules};

/// `theta [N, 2, 3]` and a size `[N, C, H, W]` give `[N, H, W, 2]`, `[N, 3, 4]` and `[N, C, D, H, W]` `[N, D, H, W, 3]`.
pub const fn affine_grid(
    op: &'static str,
    theta: Shape,
    size: &[usize],
    align_corners: bool,
) -> Result<Shape, ShapeError> {
    let _ = align_corners;
    if size.len() != 4 && size.len() != 5 {
        return Err(ShapeError::Attribute { op, rule: "the size is that of images, `[N, C, H, W]`, or of volumes" });
    }
    let size = ok!(rules::tensor(Shape::new(size)));
    let spatial = size.rank() - 2;
    ok!(rules::given("theta", Shape::new(&[size.dim(0), spatial, spatial + 1]), theta));
    let mut axis = 2;
    while axis < size.rank() {
        ok!(rules::number(op, size.dim(axis)));
        axis += 1;
    }
    Ok(size.remove(1).insert(spatial + 1, spatial))
}

/// `input [N, C, H, W]` at the places of `grid [N, H', W', 2]` is `[N, C, H', W']`; volumes have an axis more.
pub const fn grid_sample(
    op: &'static str,
    input: Shape,
    grid: Shape,
    mode: &str,
    padding_mode: &str,
    align_corners: bool,
) -> Result<Shape, ShapeError> {
    let _ = align_corners;
    let mode = ok!(GridMode::of(mode));
    ok!(GridPadding::of(padding_mode));
    ok!(rules::axes(input, 4, 5));
    let spatial = input.rank() - 2;
    if spatial == 3 && matches!(mode, GridMode::Bicubic) {
        return Err(ShapeError::Setting { setting: "mode", rule: "may be \"bicubic\" for images only" });
    }
    if grid.rank() != input.rank() {
        return Err(ShapeError::Rank { op, expected: input.rank(), found: grid });
    }
    if grid.dim(0) != input.dim(0) || grid.dim(spatial + 1) != spatial {
        let expected = grid.with(0, input.dim(0)).with(spatial + 1, spatial);
        return Err(ShapeError::Expected { what: "`grid`", expected, found: grid });
    }
    let mut output = input;
    let mut axis = 0;
    while axis < spatial {
        ok!(rules::number(op, input.dim(axis + 2)));
        output = output.with(axis + 2, ok!(rules::number(op, grid.dim(axis + 1))));
        axis += 1;
    }
    rules::tensor(output)
}
