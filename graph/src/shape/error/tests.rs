//! What the errors say. What is an error is tested with the rules.

use super::*;

#[test]
fn errors_say_what_is_expected_and_found() {
    let found = Shape::new(&[Shape::N, 64, 4, 4]);
    let cases = [
        (
            ShapeError::Features { expected: 100, found: Shape::new(&[Shape::N, 128]) },
            "it takes 100 input features, but its input has shape [N, 128]",
        ),
        (
            ShapeError::Features { expected: 1024, found },
            "it takes 1024 input features, but its input has shape [N, 64, 4, 4]; put a Flatten before it",
        ),
        (
            ShapeError::InputRank { least: 4, most: 4, found: Shape::new(&[8, 8]) },
            "its input must have 4 axes, but has shape [8, 8]",
        ),
        (
            ShapeError::Groups { groups: 3, channels: 20, side: "output" },
            "groups = 3 does not divide its 20 output channels",
        ),
        (
            ShapeError::Window { op: "conv", axis: 1, span: 3, extent: 2 },
            "the window of conv spans 3 along spatial axis 1, but its padded input only 2",
        ),
        (
            ShapeError::Axis { op: "sum", axis: -4, shape: Shape::new(&[2, 3]) },
            "axis -4 of sum is not one of shape [2, 3], or is given twice",
        ),
        (
            ShapeError::Extent { op: "pad", rule: "it must be less", given: Some(4), axis: 2, shape: found },
            "pad: it must be less: here 4, and axis 2 of shape [N, 64, 4, 4] has 4",
        ),
        (
            ShapeError::Extent { op: "glu", rule: "it must be even", given: None, axis: 0, shape: Shape::new(&[5]) },
            "glu: it must be even, and axis 0 of shape [5] has 5",
        ),
    ];
    for (error, expected) in cases {
        assert_eq!(error.to_string(), expected);
    }
}
