use kiln::prelude::*;

model! {
    struct Largest {
        online: Linear(4, 3),
        target: Linear(4, 3),
    }

    fn forward(x: [N, 4]) -> [N] {
        let next = no_grad { target(x).max(1) };
        online(x).amin(1) + next
    }
}

model! {
    struct Smallest {
        fc: Linear(4, 3),
    }

    fn forward(x: [N, 4]) -> [N] {
        fc(x).min(1)
    }
}

model! {
    struct Indexed {
        fc: Linear(4, 3),
        lstm: LSTM(3, 3),
    }

    fn forward(x: [N, 4]) -> [N] {
        let y = lstm(fc(x).unsqueeze(1))[2];
        let i = 0;
        fc(x).max(1)[i] + fc(x).split(1, dim = 1)[0]
    }
}

model! {
    struct OfModel {
        inner: Smallest,
        fc: Linear(4, 4),
    }

    fn forward(x: [N, 4]) -> [N] {
        inner(fc(x)[0])[0] + inner.pub_part(x)[1]
    }
}

model! {
    struct Words {
        emb: Embedding(10, 4),
    }

    fn forward(x: i32 [N, 4]) -> [N, 4, 4] {
        emb(x)
    }
}

model! {
    struct Similar {
        fc: Linear(8, 8),
    }

    fn forward(a: [N, 8], b: [N, 8]) -> [N, N] {
        fc(a).matmul(fc(b).t())
    }
}

model! {
    struct Qualified {
        fc: Linear(8, 8),
    }

    fn forward(x: [N, 8]) -> [N, 8] {
        F.relu(fc(x)) + torch.tanh(x)
    }
}

model! {
    struct Packed {
        gru: GRU(4, 8, batch_first = true),
    }

    fn forward(x: [N, T, 4], lengths: [N; i32]) -> [N, 8] {
        let packed = pack_padded_sequence(x, lengths, batch_first = true);
        let (y, _) = gru(packed);
        y.select(1, -1)
    }
}

model! {
    struct Sizes {
        fc: Linear(8, 8),
    }

    fn forward(x: [N, 3, 8]) -> [N, 3, 8] {
        let (n, c) = x.size();
        fc(x).view(n, c, 8)
    }
}

model! {
    struct Bounded {
        fc: Linear(8, 8),
    }

    fn forward(x: [N, 8]) -> [N, 8] {
        max(fc(x), 0.0)
    }
}

model! {
    struct Biased {
        fc: Linear(8, 8),
    }

    fn forward(x: [N, 8]) -> [N, 8] {
        fc(x) / x.std(1, keepdim = true, unbiased = false)
    }
}

model! {
    struct Drawn {
        fc: Linear(8, 8),
    }

    fn forward(x: [N, 8]) -> [N, 8] {
        fc(x) * randint(0, 10, [N, 8])
    }
}

model! {
    struct Listed {
        fc: Linear(8, 8),
    }

    fn forward(x: [N, 8]) -> [N, 8] {
        let y = fc(x);
        for one in [x, y] {
            y = y + one;
        }
        y
    }
}

fn main() {}
