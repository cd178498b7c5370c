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
];

/// Seed 0.
mod program_0 {
    use kiln::prelude::*;

    model! {
        struct Net {
            layer0: BatchNorm1d(12),
            layer1: LayerNorm(12),
            layer6: Linear(14, 1),
        }

        fn forward(v0: [N, 12]) -> [N, 1] {
            let v1 = layer0(v0);
            let v2 = layer1(v1);
            let v3 = v2.pad([0, 0]);
            let v4 = (v3.square() + 0.5).reciprocal();
            let v5 = v4.pad([1, 1]);
            let v6 = v5.reshape([N, 14]);
            let v7 = layer6(v6);
            v7
        }
    }

    pub fn check() {
        let loss = bce_with_logits();
        let rule = Sgd::default().lr(0.05);
        crate::check::values(0, Net::init, loss, rule);
    }
}

/// Seed 1.
mod program_1 {
    use kiln::prelude::*;

    model! {
        struct Net {
            layer2: Linear(30, 4),
            opt: AdamW((layer2), lr = 0.05, eps = 0.01),
        }

        step fit(v0: [N, 1, 6, 6], y: [N; i32]) -> (loss, v3) {
            let v1 = v0.diff(dim = 3);
            let v2 = v1.reshape([N, 30]);
            let v3 = layer2(v2);
            let loss = cross_entropy(v3, y);
            opt.minimize(loss);
        }

        eval apply(v0: [N, 1, 6, 6]) -> v3 {
            let v1 = v0.diff(dim = 3);
            let v2 = v1.reshape([N, 30]);
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
            layer2: Embedding(11, 8),
            layer4: Linear(176, 1),
        }

        fn forward(v0: [N, 3, 8, 7], words: [N, T; i32]) -> [N, 1] {
            let v1 = { let (front, back) = v0.chunk(2, dim = 2); cat((back * 0.5, front), dim = 2) };
            let v2 = v1.reshape([N, 168]);
            let v3 = { let h = layer2(words); let h = h.softmax(1); h.amax(1) };
            let v4 = cat((v2, v3), dim = 1);
            let v5 = layer4(v4);
            v5
        }
    }

    pub fn check() {
        let loss = l1();
        let rule = Adagrad::default().lr(0.05).eps(0.01);
        let rule = rule.group(Select::biases_and_norms(), |opt| opt.lr(0.02));
        crate::check::values_with_words(2, Net::init, loss, rule);
    }
}

/// Seed 3.
mod program_3 {
    use kiln::prelude::*;

    model! {
        struct Net {
            layer2: Conv3d(1, 2, (2, 3, 4), stride = 1, padding = (1, 2, 0), bias = false),
            layer4: Conv3d(2, 4, 1, stride = 1, groups = 2),
            layer6: Linear(24, 4),
            opt: RMSprop((layer2, layer4, layer6), lr = 0.05, momentum = 0.9, eps = 0.01),
        }

        step fit(v0: [N, 1, 1, 3, 4], y: [N; i32]) -> (loss, v7) {
            let v1 = (v0.square() + 0.5).sqrt();
            let v2 = v1.var(3, keepdim = true);
            let v3 = layer2(v2);
            let v4 = v3.mish();
            let v5 = layer4(v4);
            let v6 = v5.reshape([N, 24]);
            let v7 = layer6(v6);
            let loss = cross_entropy(v7, y);
            opt.minimize(loss);
        }

        eval apply(v0: [N, 1, 1, 3, 4]) -> v7 {
            let v1 = (v0.square() + 0.5).sqrt();
            let v2 = v1.var(3, keepdim = true);
            let v3 = layer2(v2);
            let v4 = v3.mish();
            let v5 = layer4(v4);
            let v6 = v5.reshape([N, 24]);
            let v7 = layer6(v6);
        }
    }

    pub fn check() {
        crate::check::steps_of_labels::<Net>(3, Net::init, |net, x, y| net.fit(x, y), |net, x| net.apply(x));
    }
}

/// Seed 4.
mod program_4 {
    use kiln::prelude::*;

    model! {
        struct Net {
            layer2: Embedding(11, 8),
            layer4: Linear(12, 5),
        }

        fn forward(v0: [N, 4], words: [N, T; i32]) -> [N, 5] {
            let v1 = v0.relu6();
            let v2 = v1.reshape([N, 4]);
            let v3 = { let h = layer2(words); let h = h * layer2(words.flip(1)); h.amax(1) };
            let v4 = cat((v2, v3), dim = 1);
            let v5 = layer4(v4);
            v5
        }
    }

    pub fn check() {
        let loss = l1();
        let rule = Adam::default().lr(0.05).eps(0.01).clip_grad_norm(0.5);
        crate::check::values_with_words(4, Net::init, loss, rule);
    }
}

/// Seed 5.
mod program_5 {
    use kiln::prelude::*;

    model! {
        struct Net {
            layer1: Linear(15, 3),
            layer4: Embedding(11, 8),
            layer6: Linear(11, 3),
            opt: AdamW((layer1, layer4, layer6), lr = 0.05, eps = 0.01),
        }

        step fit(v0: [N, 1, 15], words: [N, T; i32], y: [N, 3]) -> (loss, v7) {
            let v1 = v0.maximum(v0);
            let v2 = layer1(v1);
            let v3 = { let (values, _) = v2.topk(1, dim = 1); values };
            let v4 = v3.reshape([N, 3]);
            let v5 = { let h = layer4(words); let h = h.transpose(1, 2).reshape([N, T, 8]); (h * (words > 2).float().unsqueeze(2)).sum(1) };
            let v6 = cat((v4, v5), dim = 1);
            let v7 = layer6(v6);
            let loss = mse(v7, y, reduction = "sum");
            opt.minimize(loss);
        }

        eval apply(v0: [N, 1, 15], words: [N, T; i32]) -> v7 {
            let v1 = v0.maximum(v0);
            let v2 = layer1(v1);
            let v3 = { let (values, _) = v2.topk(1, dim = 1); values };
            let v4 = v3.reshape([N, 3]);
            let v5 = { let h = layer4(words); let h = h.transpose(1, 2).reshape([N, T, 8]); (h * (words > 2).float().unsqueeze(2)).sum(1) };
            let v6 = cat((v4, v5), dim = 1);
            let v7 = layer6(v6);
        }
    }

    pub fn check() {
        crate::check::steps_of_values_with_words::<Net>(
            5,
            Net::init,
            |net, (x, words), y| net.fit(x, words, y),
            |net, (x, words)| net.apply(x, words),
        );
    }
}

/// Seed 6.
mod program_6 {
    use kiln::prelude::*;

    model! {
        struct Net {
            layer0: Conv1d(3, 6, 4, stride = 3, padding = 2, dilation = 2, groups = 3),
            layer5: Linear(42, 4),
        }

        fn forward(v0: [N, 3, 21]) -> [N, 4] {
            let v1 = layer0(v0);
            let v2 = v1.logcumsumexp(2);
            let v3 = v2.neg();
            let v4 = v3.masked_fill(v1 < 0.0, 0.25);
            let v5 = v4.reshape([N, 42]);
            let v6 = layer5(v5);
            v6
        }
    }

    pub fn check() {
        let loss = l1();
        let rule = NAdam::default().lr(0.05).eps(0.01);
        crate::check::values(6, Net::init, loss, rule);
    }
}

/// Seed 7.
mod program_7 {
    use kiln::prelude::*;

    model! {
        struct Net {
            layer0: Linear(9, 6, bias = false),
            layer2: Linear(180, 6),
            opt: Adam((layer0, layer2), lr = 0.05, amsgrad = true, weight_decay = 0.125, eps = 0.01, groups = [(Select::biases_and_norms(), |opt| opt.lr(0.02))]),
        }

        step fit(v0: [N, 3, 10, 9], y: [N; i32]) -> (loss, v3) {
            let v1 = layer0(v0);
            let v2 = v1.reshape([N, 180]);
            let v3 = layer2(v2);
            let loss = cross_entropy(v3, y, label_smoothing = 0.125, ignore_index = 0);
            opt.minimize(loss);
        }

        eval apply(v0: [N, 3, 10, 9]) -> v3 {
            let v1 = layer0(v0);
            let v2 = v1.reshape([N, 180]);
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
            layer4: Embedding(11, 17),
            layer6: Linear(53, 2),
        }

        fn forward(v0: [N, 7, 18], words: [N, T; i32]) -> [N, 2] {
            let v1 = v0.flip(2);
            let v2 = v1.expm1();
            let v3 = v2.slice(1, 1, 7, step = 3);
            let v4 = v3.reshape([N, 36]);
            let v5 = { let h = layer4(words); let h = h + arange(T).float().unsqueeze(1) * 0.125; (h * (words > 2).float().unsqueeze(2)).sum(1) };
            let v6 = cat((v4, v5), dim = 1);
            let v7 = layer6(v6);
            v7
        }
    }

    pub fn check() {
        let loss = mse();
        let rule = AdamW::default().lr(0.05).eps(0.01);
        let rule = rule.group(Select::biases_and_norms(), |opt| opt.lr(0.02));
        crate::check::values_with_words(8, Net::init, loss, rule);
    }
}

/// Seed 9.
mod program_9 {
    use kiln::prelude::*;

    model! {
        struct Net {
            layer3: LayerNorm(6),
            layer6: Embedding(11, 1),
            layer8: Linear(55, 5),
            opt: RMSprop((layer3, layer6, layer8), lr = 0.05, eps = 0.01),
        }

        step fit(v0: [N, 3, 9, 6], words: [N, T; i32], y: [N, 5]) -> (loss, v9) {
            let v1 = (v0.square() + 0.5).reciprocal();
            let v2 = { let (values, places) = v1.cummax(1); values + places.float() * 0.125 };
            let v3 = v2.slice(1, 1, 3, step = 1);
            let v4 = layer3(v3);
            let v5 = v4.select(1, 1);
            let v6 = v5.reshape([N, 54]);
            let v7 = { let h = layer6(words); let h = h.softmax(1); h.mean(1) };
            let v8 = cat((v6, v7), dim = 1);
            let v9 = layer8(v8);
            let loss = bce_with_logits(v9, y);
            opt.minimize(loss);
        }

        eval apply(v0: [N, 3, 9, 6], words: [N, T; i32]) -> v9 {
            let v1 = (v0.square() + 0.5).reciprocal();
            let v2 = { let (values, places) = v1.cummax(1); values + places.float() * 0.125 };
            let v3 = v2.slice(1, 1, 3, step = 1);
            let v4 = layer3(v3);
            let v5 = v4.select(1, 1);
            let v6 = v5.reshape([N, 54]);
            let v7 = { let h = layer6(words); let h = h.softmax(1); h.mean(1) };
            let v8 = cat((v6, v7), dim = 1);
            let v9 = layer8(v8);
        }
    }

    pub fn check() {
        crate::check::steps_of_values_with_words::<Net>(
            9,
            Net::init,
            |net, (x, words), y| net.fit(x, words, y),
            |net, (x, words)| net.apply(x, words),
        );
    }
}

/// Seed 10.
mod program_10 {
    use kiln::prelude::*;

    model! {
        struct Net {
            layer2: Linear(2, 2),
        }

        fn forward(v0: [N, 6]) -> [N, 2] {
            let v1 = v0.narrow(1, 1, 2);
            let v2 = v1.reshape([N, 2]);
            let v3 = layer2(v2);
            v3
        }
    }

    pub fn check() {
        let loss = huber();
        let rule = Adam::default().lr(0.05).eps(0.01);
        crate::check::values(10, Net::init, loss, rule);
    }
}

/// Seed 11.
mod program_11 {
    use kiln::prelude::*;

    model! {
        struct Net {
            layer6: Linear(540, 4),
            opt: Adam((layer6), lr = 0.05, eps = 0.01),
        }

        step fit(v0: [N, 5, 6, 9], y: [N; i32]) -> (loss, v7) {
            let v1 = v0.repeat_interleave(2, 1);
            let v2 = where(v1 > v1, v1 * 0.5, v1);
            let v3 = v2.selu();
            let v4 = v3.masked_fill(v1 < 0.0, 0.25);
            let v5 = (v4.square() + 0.5).sqrt();
            let v6 = v5.reshape([N, 540]);
            let v7 = layer6(v6);
            let loss = cross_entropy(v7, y);
            opt.minimize(loss);
        }

        eval apply(v0: [N, 5, 6, 9]) -> v7 {
            let v1 = v0.repeat_interleave(2, 1);
            let v2 = where(v1 > v1, v1 * 0.5, v1);
            let v3 = v2.selu();
            let v4 = v3.masked_fill(v1 < 0.0, 0.25);
            let v5 = (v4.square() + 0.5).sqrt();
            let v6 = v5.reshape([N, 540]);
            let v7 = layer6(v6);
        }
    }

    pub fn check() {
        crate::check::steps_of_labels::<Net>(11, Net::init, |net, x, y| net.fit(x, y), |net, x| net.apply(x));
    }
}

/// Seed 12.
mod program_12 {
    use kiln::prelude::*;

    model! {
        struct Net {
            layer3: Linear(288, 3, bias = false),
        }

        fn forward(v0: [N, 6, 12, 4]) -> [N, 3] {
            let v1 = v0.mish();
            let v2 = v1 + v0.detach();
            let v3 = v2.reshape([N, 288]);
            let v4 = layer3(v3);
            v4
        }
    }

    pub fn check() {
        let loss = l1();
        let rule = Adam::default().lr(0.05).amsgrad(true).eps(0.01);
        crate::check::values(12, Net::init, loss, rule);
    }
}

/// Seed 13.
mod program_13 {
    use kiln::prelude::*;

    model! {
        struct Net {
            layer1: Linear(1, 12),
            layer2: MaxPool2d(1, stride = 2, dilation = 2),
            layer4: Linear(90, 2),
            opt: Sgd((layer1, layer4), lr = 0.05, momentum = 0.9),
        }

        step fit(v0: [N, 5, 6, 1], y: [N, 2]) -> (loss, v5) {
            let v1 = v0.cumsum(1);
            let v2 = layer1(v1);
            let v3 = layer2(v2);
            let v4 = v3.reshape([N, 90]);
            let v5 = layer4(v4);
            let loss = bce_with_logits(v5, y);
            opt.minimize(loss);
        }

        eval apply(v0: [N, 5, 6, 1]) -> v5 {
            let v1 = v0.cumsum(1);
            let v2 = layer1(v1);
            let v3 = layer2(v2);
            let v4 = v3.reshape([N, 90]);
            let v5 = layer4(v4);
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
            layer1: Conv3d(2, 9, 1, stride = 2, padding = (1, 2, 2)),
            layer3: Linear(216, 1),
        }

        fn forward(v0: [N, 2, 2, 3, 2]) -> [N, 1] {
            let v1 = v0.logcumsumexp(1);
            let v2 = layer1(v1);
            let v3 = v2.reshape([N, 216]);
            let v4 = layer3(v3);
            v4
        }
    }

    pub fn check() {
        let loss = cross_entropy();
        let rule = AdamW::default().lr(0.05).eps(0.01);
        let rule = rule.group(Select::biases_and_norms(), |opt| opt.lr(0.02));
        crate::check::labels(14, Net::init, loss, rule);
    }
}

/// Seed 15.
mod program_15 {
    use kiln::prelude::*;

    model! {
        struct Net {
            layer4: Linear(40, 3),
            opt: AdamW((layer4), lr = 0.05, eps = 0.01),
        }

        step fit(v0: [N, 40], y: [N, 3]) -> (loss, v5) {
            let v1 = v0.clamp(-0.75, 0.5);
            let v2 = v1.clamp(-0.75, 0.5);
            let v3 = { let (front, back) = v2.chunk(2, dim = 1); cat((back * 0.5, front), dim = 1) };
            let v4 = v3.reshape([N, 40]);
            let v5 = layer4(v4);
            let loss = mse(v5, y);
            opt.minimize(loss);
        }

        eval apply(v0: [N, 40]) -> v5 {
            let v1 = v0.clamp(-0.75, 0.5);
            let v2 = v1.clamp(-0.75, 0.5);
            let v3 = { let (front, back) = v2.chunk(2, dim = 1); cat((back * 0.5, front), dim = 1) };
            let v4 = v3.reshape([N, 40]);
            let v5 = layer4(v4);
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
            layer5: Linear(1, 4, bias = false),
        }

        fn forward(v0: [N, 8]) -> [N, 4] {
            let v1 = v0.diff(dim = 1);
            let v2 = v1.pad([1, 0]);
            let v3 = v2.amax(1, keepdim = true);
            let v4 = where(v3 > v3, v3 * 0.5, v3);
            let v5 = v4.reshape([N, 1]);
            let v6 = layer5(v5);
            v6
        }
    }

    pub fn check() {
        let loss = cross_entropy();
        let rule = Adam::default().lr(0.05).amsgrad(true).eps(0.01);
        crate::check::labels(16, Net::init, loss, rule);
    }
}
