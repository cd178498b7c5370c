use kiln::prelude::*;

model! {
    struct Unknown {
        head: Linear(10, 10),
    }

    fn forward(x: [N, 10]) -> [N, 10] {
        let y = haed(x);
        let z = y + skip;
        head(z) + yy
    }
}

model! {
    struct Shadowed {
        head: Linear(10, 10),
    }

    fn forward(x: [N, 10]) -> [N, 10] {
        let head = head(x);
        head(x)
    }
}

model! {
    struct OutOfBlock {
        head: Linear(10, 10),
    }

    fn forward(x: [N, 10]) -> [N, 10] {
        for i in 0..2 {
            let y = head(x);
            x = y;
        }
        x + y * i
    }
}

model! {
    struct NotApplied {
        head: Linear(10, 10),
        list: [Linear(10, 10); 2],
    }

    fn forward(x: [N, 10]) -> [N, 10] {
        let y = head + x;
        let z = list(x);
        let v = list + x;
        head.out(list[0](x))
    }
}

model! {
    struct NotDeclared {
        head: Linear(10, 10),
    }

    fn forward(x: [N, 10]) -> [N, 10] {
        let y = ReLU(x);
        head(y)
    }
}

fn main() {}
