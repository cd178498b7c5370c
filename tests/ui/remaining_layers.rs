use kiln::prelude::*;

#[derive(Model)]
#[model(input = [4; i32])]
struct Case01(Hardshrink);

#[derive(Model)]
#[model(input = [4; i32])]
struct Case02(Hardsigmoid);

#[derive(Model)]
#[model(input = [4; i32])]
struct Case03(Hardswish);

#[derive(Model)]
#[model(input = [4; i32])]
struct Case04(LogSigmoid);

#[derive(Model)]
#[model(input = [4; i32])]
struct Case05(Mish);

#[derive(Model)]
#[model(input = [4; i32])]
struct Case06(ReLU6);

#[derive(Model)]
#[model(input = [4; i32])]
struct Case07(SELU);

#[derive(Model)]
#[model(input = [4; i32])]
struct Case08(Sigmoid);

#[derive(Model)]
#[model(input = [4; i32])]
struct Case09(Softsign);

#[derive(Model)]
#[model(input = [4; i32])]
struct Case10(Tanhshrink);

#[derive(Model)]
#[model(input = [4; i32])]
struct Case11(Dropout1d);

#[derive(Model)]
#[model(input = [4; i32])]
struct Case12(Dropout3d);

#[derive(Model)]
#[model(input = [4; i32])]
struct Case13(FeatureAlphaDropout);

#[derive(Model)]
#[model(input = [4])]
struct Case14(Dropout1d);

#[derive(Model)]
#[model(input = [4])]
struct Case15 {
    #[model(p = 1.5)]
    layer: Dropout3d,
}

#[derive(Model)]
#[model(input = [2, 4, 4])]
struct Case16(AdaptiveMaxPool3d<1, 1, 1>);

#[derive(Model)]
#[model(input = [2, 4])]
struct Case17(BatchNorm3d<2>);

#[derive(Model)]
#[model(input = [2, 4])]
struct Case18(InstanceNorm3d<2>);

#[derive(Model)]
#[model(input = [2, 4, 4, 4])]
struct Case19(BatchNorm3d<3>);

#[derive(Model)]
#[model(input = [2, 4, 4, 4])]
struct Case20 {
    #[model(affine = true)]
    layer: InstanceNorm3d<3>,
}

#[derive(Model)]
#[model(input = [2])]
struct Case21(EmbeddingBag<10, 4>);

#[derive(Model)]
#[model(input = [2, 2; i32])]
struct Case22(EmbeddingBag<10, 4>);

#[derive(Model)]
#[model(input = [2, 4])]
struct Case23 {
    #[model(padding = 5)]
    layer: CircularPad1d,
}

#[derive(Model)]
#[model(input = [2, 4])]
struct Case24 {
    #[model(padding = 1)]
    layer: ReflectionPad3d,
}

#[derive(Model)]
#[model(input = [2, 4])]
struct Case25 {
    #[model(padding = 1)]
    layer: ReplicationPad3d,
}

#[derive(Model)]
#[model(input = [2, 4])]
struct Case26 {
    #[model(padding = 1)]
    layer: CircularPad3d,
}

#[derive(Model)]
#[model(input = [2, 4])]
struct Case27 {
    #[model(padding = -3, value = 0.5)]
    layer: ConstantPad1d,
}

#[derive(Model)]
#[model(input = [2, 4])]
struct Case28 {
    #[model(padding = 1, value = 0.5)]
    layer: ConstantPad3d,
}

#[derive(Model)]
#[model(input = [2, 4])]
struct Case29 {
    #[model(padding = -2)]
    layer: ZeroPad1d,
}

#[derive(Model)]
#[model(input = [2, 4])]
struct Case30 {
    #[model(padding = 1)]
    layer: ZeroPad3d,
}

#[derive(Model)]
#[model(input = [2, 4])]
struct Case31 {
    #[model(padding = -4)]
    layer: ReplicationPad1d,
}

model! {
    struct Pools {
        line: LPPool1d(2, 5),
    }

    fn forward(x: [N, 2, 4]) -> [N, 2, 1] {
        line(x)
    }
}

model! {
    struct Volumes {
        volume: LPPool3d(2, 2),
    }

    fn forward(x: [N, 2, 4]) -> [N, 2, 2] {
        volume(x)
    }
}

model! {
    struct Norms {
        plane: LPPool2d(0, 2),
    }

    fn forward(x: [N, 2, 4, 4]) -> [N, 2, 2, 2] {
        plane(x)
    }
}

model! {
    struct OfGRUCell {
        cell: GRUCell(3, 5),
    }

    fn forward(x: [N, 3], y: [N, 4]) -> [N, 5] {
        let h = cell(x, y);
        h
    }
}

model! {
    struct OfRNNCell {
        cell: RNNCell(3, 5),
    }

    fn forward(x: [N, 3], y: [N, 4]) -> [N, 5] {
        let h = cell(x, y);
        h
    }
}

model! {
    struct OfLSTMCell {
        cell: LSTMCell(3, 5),
    }

    fn forward(x: [N, 3], y: [N, 4]) -> [N, 5] {
        let (h, _) = cell(x, (y, y));
        h
    }
}

model! {
    struct OfRNN {
        layer: RNN(3, 5, batch_first = true),
    }

    fn forward(x: [N, 6, 4]) -> [N, 6, 5] {
        let (y, _) = layer(x);
        y
    }
}

fn main() {}
