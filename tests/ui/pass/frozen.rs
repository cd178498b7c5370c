//! Parameters that are not trained, in every form.

#![deny(warnings)]

use kiln::prelude::*;

const TRAIN_FEATURES: bool = false;

#[derive(Model)]
#[model(input = [4])]
struct Features {
    #[model(bias = false, requires_grad = false)]
    fc: Linear<4, 8>,
    #[model(requires_grad = false)]
    pair: (Linear<8, 8>, Tanh),
    #[model(requires_grad = true)]
    list: [Linear<8, 8>; 2],
}

model! {
    struct Net {
        features: Features(requires_grad = TRAIN_FEATURES),
        #[model(requires_grad = false)]
        body: [Sequential(Linear(8, 8), Sequential { out: Linear(8, 8, requires_grad = true) }); 2],
        head: Linear(8, 3),
    }

    fn forward(x: [N, 4]) -> [N, 3] {
        let x = features(x);
        for block in body.iter() {
            x = block(x);
        }
        head(x)
    }
}

fn trained(model: &impl Model) -> String {
    let mut names = Vec::new();
    model.visit(&mut Path::new(), &mut |name, parameter| {
        if parameter.kind == Kind::Trained && name.ends_with("weight") {
            names.push(name.to_string());
        }
    });
    names.join(" ")
}

#[test]
fn it_runs() {
    assert_eq!(trained(&Features::init(0)), "list.0.weight list.1.weight");
    assert_eq!(trained(&Net::init(0)), "body.0.1.out.weight body.1.1.out.weight head.weight");
}
