use kiln::prelude::*;

#[derive(Model)]
#[model(input = [3, 4, 4])]
struct Images {
    missing: ZeroPad2d,
    #[model(padding = 1)]
    number: ConstantPad2d,
    #[model(padding = 4)]
    mirror: ReflectionPad2d,
    #[model(padding = (0, 0, 5, 0))]
    round: CircularPad2d,
    #[model(padding = (3, -2, 0, 0))]
    cut: CircularPad2d,
    #[model(padding = -2)]
    nothing: ReplicationPad2d,
    #[model(padding = 1)]
    axes: ReflectionPad1d,
    #[model(padding = 5, padding_mode = "reflect")]
    conv: Conv2d<3, 3, 3>,
}

model! {
    #[model(input = [3, 4, 4])]
    struct Kinds(
        ZeroPad2d((1, 2)),
        ReflectionPad2d(0.5),
        Conv2d(3, 3, 3, padding_mode = "mirror"),
        ConstantPad2d(1, "0"),
    );
}

fn main() {}
