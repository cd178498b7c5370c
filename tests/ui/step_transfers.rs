//! Parts that can not take the values of others.

use kiln::prelude::*;

model! {
    #[model(input = [4])]
    struct Net(Linear(4, 4), ReLU);
}

model! {
    #[model(input = [4])]
    struct Other(Linear(4, 4), ReLU);
}

model! {
    struct Mistakes {
        one: Sequential(Linear(4, 4), Linear(4, 3)),
        longer: Sequential(Linear(4, 4), Linear(4, 3), Tanh),
        named: Sequential { fc: Linear(4, 4), out: Linear(4, 3) },
        bias: Sequential(Linear(4, 4), Linear(4, 3, bias = false)),
        list: [Linear(4, 4); 2],
        opt: Adam(one),
    }

    step copies(x: [N, 4]) {
        one.copy_from(longer);
        one.copy_from(named);
        one.copy_from(bias);
        one.copy_from(list);
        one.copy_from(one);
        one.copy_from(opt);
        one.copy_from(two);
        one.copy_from(named, 0.5);
        one.lerp_from(bias);
    }

    eval changes(x: [N, 4]) -> x {
        list[0].copy_from(list[1]);
    }
}

model! {
    struct Tensors {
        one: Linear(4, 4),
    }

    step copies(x: [N, 4]) {
        x.copy_from(one);
        one.copy_from(x);
    }
}

model! {
    struct Types {
        one: Sequential(Linear(4, 4), Linear(4, 3)),
        wider: Sequential(Linear(4, 4), Linear(4, 5)),
        net: Net,
        other: Other,
        list: [Linear(4, 4); 2],
        long: [Linear(4, 4); 3],
    }

    step copies() {
        one.copy_from(wider);
        net.copy_from(other);
        list.lerp_from(long, 0.5);
    }
}

model! {
    struct Values {
        one: Linear(4, 4),
        two: Linear(4, 4),
        list: [Linear(4, 4); 2],
    }

    step too_far() {
        one.lerp_from(two, 1.5);
    }

    step not_a_scalar(x: [N, 4]) {
        one.lerp_from(two, x);
    }

    step no_such_layer() {
        one.copy_from(list[2]);
    }
}

fn main() {}
