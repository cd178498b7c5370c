//! The shape rule of padding around images. Of a mode it knows how far it reaches.

use super::{axes, difference};
use crate::layers::padding::PaddingMode;
use crate::shape::{MAX_EXTENT, MAX_RANK, Shape, ShapeError, extent as extents};

/// The last axes, one for each pair of `sides`, get more elements before and after, or fewer; something of each is left.
/// A reflection is less than its axis, what comes from the other end no more. The batch axis stays as it is.
pub const fn padding(input: Shape, sides: &[(isize, isize)], mode: PaddingMode) -> Result<Shape, ShapeError> {
    const OP: &str = "pad";
    let spatial = sides.len();
    // Elements of its own are those of `[N, C, spatial..]`, or of one sample.
    let most = if matches!(mode, PaddingMode::Zeros) { MAX_RANK } else { spatial + 2 };
    let least = if matches!(mode, PaddingMode::Zeros) { spatial } else { spatial + 1 };
    let mut output = ok!(axes(input, least, most));
    let first = input.rank() - spatial;
    let mut axis = 0;
    while axis < spatial {
        let extent = input.dim(first + axis);
        let (before, after) = sides[axis];
        if extent == Shape::N {
            if before != 0 || after != 0 {
                return Err(ShapeError::Batch { op: OP, shape: input });
            }
            axis += 1;
            continue;
        }
        // Whether it is long enough shows where its extent is known.
        if extents::is_free(extent) {
            output = output.with(first + axis, ok!(difference(OP, extent, -before.saturating_add(after))));
            axis += 1;
            continue;
        }
        let larger = if before > after { before } else { after };
        let at = first + axis;
        if matches!(mode, PaddingMode::Reflect) && larger >= extent as isize {
            let rule = "a reflection must be less than the extent of its axis";
            return Err(ShapeError::Extent { op: OP, rule, given: Some(larger), axis: at, shape: input });
        }
        let smaller = if before > after { after } else { before };
        if matches!(mode, PaddingMode::Circular) {
            if larger > extent as isize {
                let rule = "circular padding must be at most the extent of its axis";
                return Err(ShapeError::Extent { op: OP, rule, given: Some(larger), axis: at, shape: input });
            }
            // A negative side takes away what would go round.
            if smaller < 0 && larger > 0 && larger > (extent as isize).saturating_add(smaller) {
                let rule = "circular padding must be at most what the other side leaves of its axis";
                return Err(ShapeError::Extent { op: OP, rule, given: Some(larger), axis: at, shape: input });
            }
        }
        let padded = (extent as isize).saturating_add(before).saturating_add(after);
        if before < -(extent as isize) || after < -(extent as isize) || padded <= 0 {
            let rule = "something of each axis must be left";
            return Err(ShapeError::Extent { op: OP, rule, given: None, axis: at, shape: input });
        }
        if padded as usize > MAX_EXTENT {
            return Err(ShapeError::Attribute { op: OP, rule: "every extent must be below 2^31" });
        }
        output = output.with(first + axis, padded as usize);
        axis += 1;
    }
    Ok(output)
}
