use kiln::prelude::*;

model! {
    struct WrongWords {
        fc: Linear(4, 4),
    }

    fn forward(x: [N, 4]) -> [N, 4] {
        let a = einsum("nij->n", 2.0);
        let b = einsum(2, (x, x));
        let c = einsum("nij->n", (x, x), 3);
        let d = x.roll(1);
        let e = x.sort(1, true, false);
        let f = arange(x);
        let g = arange(0.5);
        let h = x.topk(2);
        let i = relu(x.sort());
        fc(x)
    }
}

model! {
    struct WrongShapes {
        fc: Linear(4, 4),
    }

    fn forward(x: [N, 4]) -> [N, 4] {
        let (b, places) = x.topk(2);
        let c = einsum("ni,ij->nj", (b, x));
        fc(x)
    }
}

fn main() {}
