use kiln::prelude::*;

model! {
    struct Features {
        lstm: LSTM(3, 4),
    }

    fn forward(x: [N, 7, 5]) -> [N, 7, 4] {
        let (y, _) = lstm(x);
        y
    }
}

model! {
    struct States {
        gru: GRU(3, 4, batch_first = true),
    }

    fn forward(x: [N, 7, 3], h: [N, 1, 4]) -> [N, 7, 4] {
        let (y, _) = gru(x, h);
        y
    }
}

model! {
    struct OneOfSeveral {
        lstm: LSTM(3, 4),
    }

    fn forward(x: [N, 7, 3]) -> [N, 7, 4] {
        let y = lstm(x);
        y
    }
}

model! {
    struct Flat {
        lstm: LSTM(3, 4),
    }

    fn forward(x: [N, 7, 3]) -> [N, 7, 4] {
        let (y, h) = lstm(x);
        y + h.sum()
    }
}

model! {
    struct StatesApart {
        lstm: LSTM(3, 4),
    }

    fn forward(x: [N, 7, 3], h: [N, 7, 4]) -> [N, 7, 4] {
        let (y, _) = lstm(x, h, h);
        y
    }
}

#[derive(Model)]
#[model(input = [7, 3])]
struct InOrder {
    lstm: LSTM<3, 4>,
    fc: Linear<4, 1>,
}

model! {
    struct Settings {
        lstm: LSTM(3, 4, num_layers = 0),
    }

    fn forward(x: [N, 7, 3]) -> [N, 7, 4] {
        let (y, _) = lstm(x);
        y
    }
}

model! {
    struct Projected {
        lstm: LSTM(3, 4, proj_size = 4),
    }

    fn forward(x: [N, 7, 3]) -> [N, 7, 4] {
        let (y, _) = lstm(x);
        y
    }
}

model! {
    struct ProjectedStates {
        lstm: LSTM(3, 4, proj_size = 2, batch_first = true),
    }

    fn forward(x: [N, 7, 3], h: [N, 4], c: [N, 4]) -> [N, 7, 2] {
        let (y, _) = lstm(x, (h.unsqueeze(0), c.unsqueeze(0)));
        y
    }
}

model! {
    struct ProjectedGates {
        gru: GRU(3, 4, proj_size = 2),
    }

    fn forward(x: [N, 7, 3]) -> [N, 7, 2] {
        let (y, _) = gru(x);
        y
    }
}

fn main() {}
