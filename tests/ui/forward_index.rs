use kiln::prelude::*;

model! {
    struct TooLarge {
        linears: [Linear(10, 10); 3],
    }

    fn forward(x: [N, 10]) -> [N, 10] {
        linears[3](x)
    }
}

model! {
    struct TooLargeInLoop {
        blocks: [Sequential { fcs: [Linear(10, 10); 2] }; 3],
    }

    fn forward(x: [N, 10]) -> [N, 10] {
        for i in 0..3 {
            x = blocks[i].fcs[i](x);
        }
        x
    }
}

model! {
    struct TooSmall {
        linears: [Linear(10, 10); 3],
    }

    fn forward(x: [N, 10]) -> [N, 10] {
        for i in 0..3 {
            x = linears[i - 1](x);
        }
        x
    }
}

fn main() {}
