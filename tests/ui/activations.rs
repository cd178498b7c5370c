use kiln::prelude::*;

#[derive(Model)]
#[model(input = [4])]
struct Net {
    #[model(approximate = "sigmoid")]
    gelu: GELU,
    #[model(alpha = true)]
    elu: ELU,
    #[model(beta = 2)]
    silu: SiLU,
}

model! {
    #[model(input = [4])]
    struct Second(Hardtanh(0, 1, 2), Softpluss);
}

fn main() {}
