//! Names that are keywords, of everything that has a name, and levels of lints on what they are warned of by.

#![deny(warnings)]

use kiln::prelude::*;
use ndarray::{Array2, ArrayD, array};

model! {
    #[allow(non_camel_case_types)]
    struct r#struct {
        r#type: Linear(2, 2),
        r#loop: [Linear(2, 2); 2],
    }

    fn r#fn(x: [N, 2], r#if: f64) -> [N, 2] {
        x * r#if
    }

    fn forward(r#in: [N, 2]) -> [N, 2] {
        let r#let = r#fn(r#type(r#in), 0.5);
        for r#impl in r#loop {
            r#let = r#impl(r#let);
        }
        r#let
    }
}

#[allow(deprecated)]
mod silenced {
    use kiln::prelude::*;

    model! {
        /// Nothing trains the layer `r#unsafe`.
        pub struct Whole {
            r#type: Linear(2, 2),
            r#unsafe: Linear(2, 2),
            r#match: Sgd(r#type, lr = 0.5),
        }

        step r#fn(r#in: [N, 2], r#as: [N, 2]) -> (r#let, r#mod) {
            let r#mod = r#type(r#in);
            let r#let = mse(r#mod, r#as);
            r#match.minimize(r#let);
        }

        eval r#move(r#in: [N, 2]) -> r#ref {
            let r#ref = r#unsafe(r#type(r#in));
        }
    }
}

// An attribute on the struct or the field says the same as one on the module around it.
model! {
    #[allow(deprecated)]
    #[derive(Debug)]
    struct OnStruct {
        fc: Linear(2, 2),
        r#type: Linear(2, 2),
    }

    eval apply(x: [N, 2]) -> y {
        let y = fc(x);
    }
}

model! {
    struct OnField {
        fc: Linear(2, 2),
        #[allow(deprecated)]
        r#type: Linear(2, 2),
    }

    eval apply(x: [N, 2]) -> y {
        let y = fc(x);
    }
}

// Activations are not untrained; that a model has parameters is not known.
mod parts {
    use kiln::prelude::*;

    model! {
        #[model(input = [2])]
        pub struct Activation(Tanh, Identity);
    }

    model! {
        #[model(input = [2])]
        pub struct Nested(Activation, Tanh);
    }
}
use parts::{Activation, Nested};

model! {
    struct Plain {
        #[allow(deprecated)]
        before: Activation,
        #[allow(deprecated)]
        behind: Nested,
        act: Tanh,
        fc: Linear(2, 2),
        opt: Sgd(fc, lr = 0.5),
    }

    step fit(x: [N, 2]) -> loss {
        let x = before(x);
        let loss = fc(x).mean();
        let _y = behind(act(x));
        opt.minimize(loss);
    }
}

model! {
    /// Its functions are called like what the macro might call its own; what its loop sets is not read behind it.
    struct Alike {
        fc: Linear(4, 4),
        list: [Linear(4, 4); 3],
    }

    fn apply_fc(x) {
        fc(x).relu()
    }

    fn compute_apply_fc(x) {
        apply_fc(x)
    }

    fn type_of_apply_fc(x) {
        let mut sum = x;
        for i in 0..3 {
            x = list[i](x);
            sum = sum + x;
        }
        sum
    }

    fn forward(x: [N, 4]) -> [N, 4] {
        type_of_apply_fc(compute_apply_fc(x))
    }
}

#[test]
fn keywords_are_names() {
    let mut names = Vec::new();
    r#struct::init(0).each_parameter(&mut |name, _| names.push(name.to_owned()));
    let expected =
        ["type.weight", "type.bias", "loop.0.weight", "loop.0.bias", "loop.1.weight", "loop.1.bias"].map(String::from);
    assert_eq!(names, expected);

    let x: Array2<f32> = array![[1.0, -1.0]];
    let mut whole = silenced::Whole::init(0).trainer().batch(1).threads(1).build().unwrap();
    let (loss, values): (f32, ArrayD<f32>) = whole.r#fn(&x, &x).unwrap();
    assert!(loss > 0.0 && values.shape() == [1, 2]);
    assert_eq!(whole.learning_rate("match").unwrap(), Some(0.5));
    assert!(whole.plan("fn").unwrap().flops() > 0);
    assert_eq!(whole.r#move(&x).unwrap().shape(), [1, 2]);
    let wrong = whole.r#move(&array![[1.0]]).unwrap_err().to_string();
    assert!(wrong.contains("`in`") && !wrong.contains("r#"), "{wrong}");

    let mut plain = Plain::init(0).trainer().batch(1).threads(1).build().unwrap();
    plain.fit(&x).unwrap();
    let _ = (OnStruct::init(0), OnField::init(0), Alike::init(0));
}

// Parameters, fields, numbers and results of names that Kiln's own code might have.
mod usual_names {
    use super::*;

    model! {
        struct Halves<const K: usize, const T: usize> {
            eval: [Linear(4, 4); 2],
            head: Linear(4, K),
        }

        /// Two halves, and the largest of each row.
        fn forward(x: [N, 4]) -> [N, K] {
            for layer in eval {
                x = layer(x);
            }
            for layer in &eval {
                x = layer(x);
            }
            let (a, b) = x.chunk(2, 1);
            let (most, _) = a.max(1, true);
            head(own(x, true)) + most + b.sum(1, true)
        }

        fn own(x, eval: bool) {
            let y = if eval { x.relu() } else { x };
            let z = y + eval { dropout(y, p = 0.5) };
            if !eval { z } else { z * 2.0 }
        }
    }
}
