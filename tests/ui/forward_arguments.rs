use kiln::prelude::*;

model! {
    struct Names {
        fc: Linear(10, 10),
    }

    fn forward(x: [N, 10]) -> [N, 10] {
        let a = x.sum(dims = 1);
        let b = x.sum(1, dim = 1);
        let c = x.softmax();
        let d = x.transpose(1);
        let e = x.sum(axis = 1);
        let f = x.relu(1);
        let g = x.unsqueeze(1, 2);
        fc(x)
    }
}

model! {
    struct Kinds {
        fc: Linear(10, 10),
    }

    fn forward(x: [N, 10]) -> [N, 10] {
        let a = x.sum(1.5);
        let b = x.sum(dim = 1, keepdim = True);
        let c = x.reshape("N");
        let d = x.reshape([N, -2]);
        let e = x.narrow(1, 1, -2);
        let f = x.softmax(x);
        let g = x.matmul(2.0);
        let h = cat(x, 1);
        let i = x.flatten(start_dim = fc(x));
        let j = x.clamp(min = x);
        fc(x)
    }
}

model! {
    struct Forms {
        fc: Linear(10, 10),
    }

    fn forward(x: [N, 10]) -> [N, 10] {
        let a = detach(x);
        let b = x.cat(x);
        let c = relo(x);
        let d = torch::relu(x);
        let e = x[0];
        let f = x[1..3];
        let g = fc(x).size(1);
        let h = reshape(x, [N, 2, 5]).view(N, -1) + 1;
        let i = fractional_max_pool2d(x, 2);
        let j = x.shape;
        fc(x)
    }
}

model! {
    struct NumberWithoutAxes {
        fc: Linear(10, 10),
    }

    fn forward(x: [N, 10], t: f32) -> [N, 10] {
        fc(x) * t
    }
}

fn main() {}
