//! The suite's `dcgan`: a generator of images against a discriminator. The tests hold its losses to PyTorch's too.

use kiln::prelude::*;

#[derive(Model)]
#[model(input = [64, 1, 1])]
pub struct Generator {
    #[model(bias = false)]
    conv1: ConvTranspose2d<64, 128, 4>,
    norm1: BatchNorm2d<128>,
    relu1: ReLU,
    #[model(stride = 2, padding = 1, bias = false)]
    conv2: ConvTranspose2d<128, 64, 4>,
    norm2: BatchNorm2d<64>,
    relu2: ReLU,
    #[model(stride = 2, padding = 1, bias = false)]
    conv3: ConvTranspose2d<64, 32, 4>,
    norm3: BatchNorm2d<32>,
    relu3: ReLU,
    #[model(stride = 2, padding = 1, bias = false)]
    conv4: ConvTranspose2d<32, 1, 4>,
    tanh: Tanh,
}

#[derive(Model)]
#[model(input = [1, 32, 32])]
pub struct Discriminator {
    #[model(stride = 2, padding = 1, bias = false)]
    conv1: Conv2d<1, 32, 4>,
    #[model(negative_slope = 0.2)]
    relu1: LeakyReLU,
    #[model(stride = 2, padding = 1, bias = false)]
    conv2: Conv2d<32, 64, 4>,
    norm2: BatchNorm2d<64>,
    #[model(negative_slope = 0.2)]
    relu2: LeakyReLU,
    #[model(stride = 2, padding = 1, bias = false)]
    conv3: Conv2d<64, 128, 4>,
    norm3: BatchNorm2d<128>,
    #[model(negative_slope = 0.2)]
    relu3: LeakyReLU,
    #[model(bias = false)]
    conv4: Conv2d<128, 1, 4>,
    flatten: Flatten,
}

model! {
    pub struct DcGan {
        generator: Generator,
        discriminator: Discriminator,
        opt_g: Adam(generator, lr = 2e-4, betas = (0.5, 0.999)),
        opt_d: Adam(discriminator, lr = 2e-4, betas = (0.5, 0.999)),
    }

    step both(real: [N, 1, 32, 32], z: [N, 64, 1, 1]) -> (loss_d, loss_g) {
        let fake = generator(z);
        let loss_d = bce_with_logits(discriminator(real), 1.0) + bce_with_logits(discriminator(fake.detach()), 0.0);
        opt_d.minimize(loss_d);
        let loss_g = bce_with_logits(discriminator(fake), 1.0);
        opt_g.minimize(loss_g);
    }
}
