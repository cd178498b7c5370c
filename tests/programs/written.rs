//! Random programs as a user writes them; see `source.rs`.

/// All of them.
pub const CHECKS: &[fn()] = &[
    program_0::check,
    program_1::check,
    program_2::check,
    program_3::check,
    program_4::check,
    program_5::check,
    program_6::check,
    program_7::check,
    program_8::check,
    program_9::check,
    program_10::check,
    program_11::check,
    program_12::check,
    program_13::check,
    program_14::check,
    program_15::check,
    program_16::check,
    program_17::check,
];

/// Seed 0.
mod program_0 {
    use kiln::prelude::*;

    model! {
        struct Net {
            layer0: Linear(12, 4, bias = false),
            layer6: Linear(1, 1),
        }

        fn forward(v0: [N, 12]) -> [N, 1] {
            let v1 = layer0(v0);
            let v2 = v1.pad([0, 0]);
            let v3 = (v2.square() + 0.5).sqrt();
            let v4 = v3.leaky_relu();
            let v5 = v4.amin(1, keepdim = true);
            let v6 = v5.reshape([N, 1]);
            let v7 = layer6(v6);
            v7
        }
    }

    pub fn check() {
        let loss = mse().reduction(kiln::losses::Reduction::Sum);
        let rule = Sgd::default().lr(0.05);
        crate::check::values(0, Net::init, loss, rule);
    }
}

/// Seed 1.
mod program_1 {
    use kiln::prelude::*;

    model! {
        struct Net {
            layer0: Conv2d(1, 9, 1, stride = 3, padding = 1, bias = false),
            layer2: Linear(81, 4),
            opt: AdamW((layer0, layer2), lr = 0.05, eps = 0.01),
        }

        step fit(v0: [N, 1, 6, 6], y: [N; i32]) -> (loss, v3) {
            let v1 = layer0(v0);
            let v2 = v1.reshape([N, 81]);
            let v3 = layer2(v2);
            let loss = cross_entropy(v3, y);
            opt.minimize(loss);
        }

        eval apply(v0: [N, 1, 6, 6]) -> v3 {
            let v1 = layer0(v0);
            let v2 = v1.reshape([N, 81]);
            let v3 = layer2(v2);
        }
    }

    pub fn check() {
        crate::check::steps_of_labels::<Net>(1, Net::init, |net, x, y| net.fit(x, y), |net, x| net.apply(x));
    }
}

/// Seed 2.
mod program_2 {
    use kiln::prelude::*;

    model! {
        struct Net {
            layer0: AvgPool2d((3, 4), stride = 1, padding = (1, 2), count_include_pad = true),
            layer2: Linear(192, 1),
        }

        fn forward(v0: [N, 3, 8, 7]) -> [N, 1] {
            let v1 = layer0(v0);
            let v2 = v1.reshape([N, 192]);
            let v3 = layer2(v2);
            v3
        }
    }

    pub fn check() {
        let loss = cross_entropy().weight(&[0.5]);
        let rule = AdamW::default().lr(0.05).eps(0.01);
        crate::check::labels(2, Net::init, loss, rule);
    }
}

/// Seed 3.
mod program_3 {
    use kiln::prelude::*;

    model! {
        struct Net {
            layer6: Linear(1, 4),
            opt: Adam((layer6), lr = 0.05, amsgrad = true, weight_decay = 0.125, eps = 0.01),
        }

        step fit(v0: [N, 1, 1, 3, 4], y: [N, 4]) -> (loss, v7) {
            let v1 = v0.silu();
            let v2 = v1.select(3, 2);
            let v3 = v2.flip(2);
            let v4 = { let (values, places) = v3.max(3, keepdim = true); values + places.float() * 0.125 };
            let v5 = { let (values, places) = v4.max(1, keepdim = true); values + places.float() * 0.125 };
            let v6 = v5.reshape([N, 1]);
            let v7 = layer6(v6);
            let loss = l1(v7, y);
            opt.minimize(loss);
        }

        eval apply(v0: [N, 1, 1, 3, 4]) -> v7 {
            let v1 = v0.silu();
            let v2 = v1.select(3, 2);
            let v3 = v2.flip(2);
            let v4 = { let (values, places) = v3.max(3, keepdim = true); values + places.float() * 0.125 };
            let v5 = { let (values, places) = v4.max(1, keepdim = true); values + places.float() * 0.125 };
            let v6 = v5.reshape([N, 1]);
            let v7 = layer6(v6);
        }
    }

    pub fn check() {
        crate::check::steps_of_values::<Net>(3, Net::init, |net, x, y| net.fit(x, y), |net, x| net.apply(x));
    }
}

/// Seed 4.
mod program_4 {
    use kiln::prelude::*;

    model! {
        struct Net {
            layer0: Linear(4, 7),
            layer2: Linear(7, 5, bias = false),
        }

        fn forward(v0: [N, 4]) -> [N, 5] {
            let v1 = layer0(v0);
            let v2 = v1.reshape([N, 7]);
            let v3 = layer2(v2);
            v3
        }
    }

    pub fn check() {
        let loss = mse();
        let rule = Sgd::default().lr(0.05);
        crate::check::values(4, Net::init, loss, rule);
    }
}

/// Seed 5.
mod program_5 {
    use kiln::prelude::*;

    model! {
        struct Net {
            layer1: Conv1d(1, 8, 4, stride = 2, padding = 1, bias = false),
            layer2: LayerNorm(4),
            layer3: Conv1d(8, 8, 3, stride = 1, padding = 1, bias = false),
            layer5: Linear(32, 3),
            opt: Sgd((layer1, layer2, layer3, layer5), lr = 0.05, momentum = 0.9),
        }

        step fit(v0: [N, 1, 15], y: [N, 3]) -> (loss, v6) {
            let v1 = v0.narrow(2, 0, 9);
            let v2 = layer1(v1);
            let v3 = layer2(v2);
            let v4 = layer3(v3);
            let v5 = v4.reshape([N, 32]);
            let v6 = layer5(v5);
            let loss = l1(v6, y);
            opt.minimize(loss);
        }

        eval apply(v0: [N, 1, 15]) -> v6 {
            let v1 = v0.narrow(2, 0, 9);
            let v2 = layer1(v1);
            let v3 = layer2(v2);
            let v4 = layer3(v3);
            let v5 = v4.reshape([N, 32]);
            let v6 = layer5(v5);
        }
    }

    pub fn check() {
        crate::check::steps_of_values::<Net>(5, Net::init, |net, x, y| net.fit(x, y), |net, x| net.apply(x));
    }
}

/// Seed 6.
mod program_6 {
    use kiln::prelude::*;

    model! {
        struct Net {
            layer5: Linear(1, 4),
        }

        fn forward(v0: [N, 3, 21]) -> [N, 4] {
            let v1 = v0.hardswish();
            let v2 = v1.erf();
            let v3 = v2.sum(1, keepdim = true);
            let v4 = { let (values, places) = v3.max(2, keepdim = true); values + places.float() * 0.125 };
            let v5 = v4.reshape([N, 1]);
            let v6 = layer5(v5);
            v6
        }
    }

    pub fn check() {
        let loss = mse();
        let rule = Adam::default().lr(0.05).amsgrad(true).eps(0.01);
        crate::check::values(6, Net::init, loss, rule);
    }
}

/// Seed 7.
mod program_7 {
    use kiln::prelude::*;

    model! {
        struct Net {
            layer2: Linear(330, 6),
            opt: RMSprop((layer2), lr = 0.05, eps = 0.01),
        }

        step fit(v0: [N, 3, 10, 9], y: [N; i32]) -> (loss, v3) {
            let v1 = v0.pad([2, 0]);
            let v2 = v1.reshape([N, 330]);
            let v3 = layer2(v2);
            let loss = cross_entropy(v3, y);
            opt.minimize(loss);
        }

        eval apply(v0: [N, 3, 10, 9]) -> v3 {
            let v1 = v0.pad([2, 0]);
            let v2 = v1.reshape([N, 330]);
            let v3 = layer2(v2);
        }
    }

    pub fn check() {
        crate::check::steps_of_labels::<Net>(7, Net::init, |net, x, y| net.fit(x, y), |net, x| net.apply(x));
    }
}

/// Seed 8.
mod program_8 {
    use kiln::prelude::*;

    model! {
        struct Net {
            layer1: Upsample(scale_factor = 3, mode = "linear"),
            layer2: Linear(54, 3),
            layer3: Conv1d(7, 7, 2, stride = 2, padding = 2),
            layer5: Linear(21, 2),
        }

        fn forward(v0: [N, 7, 18]) -> [N, 2] {
            let v1 = v0 + v0.gather(2, v0.argmax(2, keepdim = true));
            let v2 = layer1(v1);
            let v3 = layer2(v2);
            let v4 = layer3(v3);
            let v5 = v4.reshape([N, 21]);
            let v6 = layer5(v5);
            v6
        }
    }

    pub fn check() {
        let loss = cross_entropy().label_smoothing(0.125).ignore_index(0);
        let rule = AdamW::default().lr(0.05).eps(0.01);
        crate::check::labels(8, Net::init, loss, rule);
    }
}

/// Seed 9.
mod program_9 {
    use kiln::prelude::*;

    model! {
        struct Net {
            layer3: Linear(1, 3, bias = false),
            layer4: LayerNorm(3),
            layer7: Linear(18, 5),
            opt: Adam((layer3, layer4, layer7), lr = 0.05, eps = 0.01),
        }

        step fit(v0: [N, 3, 9, 6], y: [N, 5]) -> (loss, v8) {
            let v1 = v0.logsumexp(2, keepdim = true);
            let v2 = v1.transpose(2, 3);
            let v3 = v2.minimum(v2);
            let v4 = layer3(v3);
            let v5 = layer4(v4);
            let v6 = v5.select(3, 2);
            let v7 = v6.reshape([N, 18]);
            let v8 = layer7(v7);
            let loss = mse(v8, y);
            opt.minimize(loss);
        }

        eval apply(v0: [N, 3, 9, 6]) -> v8 {
            let v1 = v0.logsumexp(2, keepdim = true);
            let v2 = v1.transpose(2, 3);
            let v3 = v2.minimum(v2);
            let v4 = layer3(v3);
            let v5 = layer4(v4);
            let v6 = v5.select(3, 2);
            let v7 = v6.reshape([N, 18]);
            let v8 = layer7(v7);
        }
    }

    pub fn check() {
        crate::check::steps_of_values::<Net>(9, Net::init, |net, x, y| net.fit(x, y), |net, x| net.apply(x));
    }
}

/// Seed 10.
mod program_10 {
    use kiln::prelude::*;

    model! {
        struct Net {
            layer2: Linear(6, 2),
        }

        fn forward(v0: [N, 6]) -> [N, 2] {
            let v1 = v0.clamp(-0.75, 0.5);
            let v2 = v1.reshape([N, 6]);
            let v3 = layer2(v2);
            v3
        }
    }

    pub fn check() {
        let loss = bce_with_logits();
        let rule = RMSprop::default().lr(0.05).centered(true).eps(0.01);
        crate::check::values(10, Net::init, loss, rule);
    }
}

/// Seed 11.
mod program_11 {
    use kiln::prelude::*;

    model! {
        struct Net {
            layer0: Conv2d(5, 5, 3, stride = 3),
            layer2: Conv2d(5, 17, 1, stride = 3, padding = (0, 2), dilation = 2),
            layer4: Linear(34, 4),
            opt: AdamW((layer0, layer2, layer4), lr = 0.05, eps = 0.01),
        }

        step fit(v0: [N, 5, 6, 9], y: [N, 4]) -> (loss, v5) {
            let v1 = layer0(v0);
            let v2 = v1.mean(3, keepdim = true);
            let v3 = layer2(v2);
            let v4 = v3.reshape([N, 34]);
            let v5 = layer4(v4);
            let loss = l1(v5, y);
            opt.minimize(loss);
        }

        eval apply(v0: [N, 5, 6, 9]) -> v5 {
            let v1 = layer0(v0);
            let v2 = v1.mean(3, keepdim = true);
            let v3 = layer2(v2);
            let v4 = v3.reshape([N, 34]);
            let v5 = layer4(v4);
        }
    }

    pub fn check() {
        crate::check::steps_of_values::<Net>(11, Net::init, |net, x, y| net.fit(x, y), |net, x| net.apply(x));
    }
}

/// Seed 12.
mod program_12 {
    use kiln::prelude::*;

    model! {
        struct Net {
            layer1: Conv1d(3, 6, 3, stride = 1, padding = 2, groups = 3, bias = false),
            layer6: Linear(588, 3, bias = false),
        }

        fn forward(v0: [N, 6, 12, 4]) -> [N, 3] {
            let v1 = v0.reshape([N, 3, 96]);
            let v2 = layer1(v1);
            let v3 = v2.mish();
            let v4 = v3.expm1();
            let v5 = v4.reshape([N, 14, 42]);
            let v6 = v5.reshape([N, 588]);
            let v7 = layer6(v6);
            v7
        }
    }

    pub fn check() {
        let loss = mse();
        let rule = AdamW::default().lr(0.05).eps(0.01);
        crate::check::values(12, Net::init, loss, rule);
    }
}

/// Seed 13.
mod program_13 {
    use kiln::prelude::*;

    model! {
        struct Net {
            layer0: Linear(1, 2),
            layer3: Linear(60, 2),
            opt: AdamW((layer0, layer3), lr = 0.05, eps = 0.01),
        }

        step fit(v0: [N, 5, 6, 1], y: [N, 2]) -> (loss, v4) {
            let v1 = layer0(v0);
            let v2 = v1.transpose(1, 1);
            let v3 = v2.reshape([N, 60]);
            let v4 = layer3(v3);
            let loss = bce_with_logits(v4, y);
            opt.minimize(loss);
        }

        eval apply(v0: [N, 5, 6, 1]) -> v4 {
            let v1 = layer0(v0);
            let v2 = v1.transpose(1, 1);
            let v3 = v2.reshape([N, 60]);
            let v4 = layer3(v3);
        }
    }

    pub fn check() {
        crate::check::steps_of_values::<Net>(13, Net::init, |net, x, y| net.fit(x, y), |net, x| net.apply(x));
    }
}

/// Seed 14.
mod program_14 {
    use kiln::prelude::*;

    model! {
        struct Net {
            layer0: ConvTranspose3d(2, 2, 1, stride = 3),
            layer2: Linear(224, 1, bias = false),
        }

        fn forward(v0: [N, 2, 2, 3, 2]) -> [N, 1] {
            let v1 = layer0(v0);
            let v2 = v1.reshape([N, 224]);
            let v3 = layer2(v2);
            v3
        }
    }

    pub fn check() {
        let loss = cross_entropy();
        let rule = AdamW::default().lr(0.05).eps(0.01);
        crate::check::labels(14, Net::init, loss, rule);
    }
}

/// Seed 15.
mod program_15 {
    use kiln::prelude::*;

    model! {
        struct Net {
            layer5: Linear(2, 3),
            opt: RMSprop((layer5), lr = 0.05, momentum = 0.9, eps = 0.01),
        }

        step fit(v0: [N, 40], y: [N, 3]) -> (loss, v6) {
            let v1 = v0.reshape([N, 20, 2]);
            let v2 = v1.silu();
            let v3 = v2.amax(1, keepdim = true);
            let v4 = v3.clamp(-0.75, 0.5);
            let v5 = v4.reshape([N, 2]);
            let v6 = layer5(v5);
            let loss = l1(v6, y);
            opt.minimize(loss);
        }

        eval apply(v0: [N, 40]) -> v6 {
            let v1 = v0.reshape([N, 20, 2]);
            let v2 = v1.silu();
            let v3 = v2.amax(1, keepdim = true);
            let v4 = v3.clamp(-0.75, 0.5);
            let v5 = v4.reshape([N, 2]);
            let v6 = layer5(v5);
        }
    }

    pub fn check() {
        crate::check::steps_of_values::<Net>(15, Net::init, |net, x, y| net.fit(x, y), |net, x| net.apply(x));
    }
}

/// Seed 16.
mod program_16 {
    use kiln::prelude::*;

    model! {
        struct Net {
            layer0: BatchNorm1d(8),
            layer5: Linear(10, 4),
        }

        fn forward(v0: [N, 8]) -> [N, 4] {
            let v1 = layer0(v0);
            let v2 = v1.pad([0, 2]);
            let v3 = v2.narrow(1, 0, 10);
            let v4 = { let (front, back) = v3.chunk(2, dim = 1); cat((back * 0.5, front), dim = 1) };
            let v5 = v4.reshape([N, 10]);
            let v6 = layer5(v5);
            v6
        }
    }

    pub fn check() {
        let loss = l1();
        let rule = RMSprop::default().lr(0.05).centered(true).eps(0.01);
        crate::check::values(16, Net::init, loss, rule);
    }
}

/// Seed 17.
mod program_17 {
    use kiln::prelude::*;

    model! {
        struct Net {
            layer0: Linear(11, 9),
            layer2: Linear(378, 6),
            opt: RMSprop((layer0, layer2), lr = 0.05, eps = 0.01),
        }

        step fit(v0: [N, 6, 7, 11], y: [N, 6]) -> (loss, v3) {
            let v1 = layer0(v0);
            let v2 = v1.reshape([N, 378]);
            let v3 = layer2(v2);
            let loss = bce_with_logits(v3, y);
            opt.minimize(loss);
        }

        eval apply(v0: [N, 6, 7, 11]) -> v3 {
            let v1 = layer0(v0);
            let v2 = v1.reshape([N, 378]);
            let v3 = layer2(v2);
        }
    }

    pub fn check() {
        crate::check::steps_of_values::<Net>(17, Net::init, |net, x, y| net.fit(x, y), |net, x| net.apply(x));
    }
}
