//! Pooling whose windows follow from the sizes of input and output.

use kiln_graph::Shape;
use kiln_graph::layers::adaptive_pool::adaptive_avg_pool;

use crate::{Reals, check, indices};

#[test]
fn adaptive_averages() {
    let cases: [(&[usize], &[Option<usize>]); 12] = [
        (&[7, 5], &[Some(1), Some(1)]),
        (&[7, 8], &[Some(2), Some(3)]),
        (&[6, 6], &[Some(3), Some(2)]),
        (&[3, 3], &[Some(5), Some(5)]),
        (&[3, 7], &[None, Some(2)]),
        (&[9, 10], &[Some(1), Some(4)]),
        (&[4, 6], &[None, None]),
        (&[1, 1], &[Some(3), Some(1)]),
        (&[11], &[Some(4)]),
        (&[12], &[Some(4)]),
        (&[4, 5, 6], &[Some(2), Some(2), Some(6)]),
        (&[2, 3, 4], &[Some(1), Some(1), Some(1)]),
    ];
    for (extents, output_size) in cases {
        let x = Reals::random(Shape::from(&[&[2, 3], extents].concat()[..]), 1);
        let outputs = (output_size.iter().zip(extents)).map(|(output, &extent)| output.unwrap_or(extent));
        let output: Vec<usize> = [2, 3].into_iter().chain(outputs).collect();
        let expected = Reals::of(Shape::from(&output[..]), |cell| {
            let range = |axis: usize| {
                let (extent, cells) = (extents[axis], output[axis + 2]);
                cell[axis + 2] * extent / cells..((cell[axis + 2] + 1) * extent).div_ceil(cells)
            };
            let inside = |index: &Vec<usize>| {
                index[..2] == cell[..2] && (0..extents.len()).all(|axis| range(axis).contains(&index[axis + 2]))
            };
            let members: Vec<f64> =
                indices(x.shape).iter().filter(|index| inside(index)).map(|index| x.at(index)).collect();
            members.iter().sum::<f64>() / members.len() as f64
        });
        let name = format!("{extents:?} to {output_size:?}");
        check(&name, &vec![("x", x)], &["x"], true, |_, given| adaptive_avg_pool(given["x"], output_size), &expected);
    }
}
