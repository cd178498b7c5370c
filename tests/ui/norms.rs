use kiln::prelude::*;

#[derive(Model)]
#[model(input = [6, 3])]
struct Groups {
    channels: GroupNorm<2, 4>,
    #[model(eps = -1.0)]
    epsilon: GroupNorm<2, 4>,
    axes: InstanceNorm2d<4>,
    last: RMSNorm<4>,
}

model! {
    #[model(input = [4, 3])]
    struct Divided {
        norm: GroupNorm(3, 4),
    }
}

model! {
    #[model(input = [4, 1, 1])]
    struct Single {
        tracked: InstanceNorm2d(4, track_running_stats = true),
        norm: InstanceNorm2d(4, affine = true),
    }
}

model! {
    #[model(input = [4])]
    struct Flat {
        norm: LocalResponseNorm(5),
    }
}

model! {
    #[model(input = [4, 4])]
    struct Kinds(GroupNorm(2), RMSNorm(4, eps = "small"), InstanceNorm1d(4, momentum = None), LocalResponseNorm(0));
}

fn main() {}
