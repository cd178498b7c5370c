use kiln::prelude::*;

model! {
    #[model(input = [10])]
    struct Unfinished {
        fc1: Linear(10, 10)
        fc2: Linear(10, 10),
    }
}

model! {
    #[model(input = [10])]
    struct Names {
        head: Sequential(fc: Linear(10, 10)),
    }
}

model! {
    #[model(input = [10])]
    struct Free {
        fc: Linear(10, 10),
    }

    fn forward(x: [N, 10]) -> [N, 10] {
        fc(x)
    }
}

fn main() {
    let _ = (Unfinished::init(1), Names::init(1), Free::init(1));
}
