//! Dropout, with its option.

#![deny(warnings)]

use kiln::graph::Path;
use kiln::prelude::*;

#[derive(Model)]
#[model(input = [3, 4, 4], output = [48])]
struct Derived {
    #[model(p = 0.2)]
    channels: Dropout2d,
    flatten: Flatten,
    drop: Dropout,
}

model! {
    #[model(input = [3, 4])]
    struct Declared {
        signals: Dropout1d(0),
        drop: Dropout(p = 1.0),
    }
}

model! {
    #[model(input = [3, 2, 2, 2])]
    struct Volumes(Dropout3d(0.1));
}

fn check(model: &impl Model, expected: &[&str]) {
    let mut names = Vec::new();
    model.describe(&mut Path::new(), &mut |name, layer| names.push(format!("{name}: {layer}")));
    assert_eq!(names, expected);
}

#[test]
fn it_runs() {
    check(&Derived::init(1), &["channels: Dropout2d(0.2)", "flatten: Flatten", "drop: Dropout(0.5)"]);
    check(&Declared::init(1), &["signals: Dropout1d(0)", "drop: Dropout(1)"]);
    check(&Volumes::init(1), &["0: Dropout3d(0.1)"]);
}
