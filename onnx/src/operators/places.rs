//! Elements along an axis at places that are known beforehand: as slices, turned slices and repetitions.

use kiln_graph::Value;

use crate::error::Fault;

/// As many pieces at most.
const PIECES: usize = 4096;

/// The elements of `x` at the places along an axis, which all lie within it.
pub fn at_known<'g>(x: Value<'g>, axis: usize, places: &[usize]) -> Result<Value<'g>, Fault> {
    let mut pieces: Vec<Value<'g>> = Vec::new();
    let mut rest = places;
    while let Some(&first) = rest.first() {
        if pieces.len() == PIECES {
            return Err(Fault::unsupported(format!("{} places that are no few ranges", places.len())));
        }
        let run = |step: isize| {
            let expected = |number: usize| first.checked_add_signed(step * number as isize);
            rest.iter().enumerate().take_while(|&(number, &place)| expected(number) == Some(place)).count()
        };
        let (up, same, down) = (run(1), run(0), run(-1));
        let taken = up.max(same).max(down);
        pieces.push(if taken == up {
            x.slice(axis, first..first + up, 1)
        } else if taken == same {
            x.slice(axis, first..first + 1, 1).broadcast_to(x.shape().with(axis, same))
        } else {
            x.slice(axis, first + 1 - down..first + 1, 1).reverse(axis)
        });
        rest = &rest[taken..];
    }
    Ok(x.graph().concat(&pieces, axis))
}
