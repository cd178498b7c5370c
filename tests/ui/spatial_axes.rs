use kiln::prelude::*;

#[derive(Model)]
#[model(input = [3, 16])]
struct Signal {
    conv: Conv1d<2, 4, 3>,
    #[model(padding = 2)]
    maximum: MaxPool1d<2>,
    average: AvgPool1d<20>,
}

#[derive(Model)]
#[model(input = [2, 8, 8])]
struct Volume {
    conv: Conv3d<2, 4, 3>,
}

#[derive(Model)]
#[model(input = [2, 4, 8, 8])]
struct Pooled {
    maximum: MaxPool3d<2, 9, 2>,
    average: AvgPool3d<3>,
}

fn main() {}
