use kiln::prelude::*;

model! {
    struct Blocks {
        fc: Linear(4, 4),
    }

    fn forward(x: [N, 4]) -> [N, 8] {
        block_diag((fc(x), ones(4)))
    }
}

model! {
    struct Choices {
        fc: Linear(4, 4),
    }

    fn forward(x: [N, 4]) -> [N, 4] {
        fc(x) + combinations(ones(3), r = 4).sum()
    }
}

model! {
    struct Products {
        fc: Linear(4, 4),
    }

    fn forward(x: [N, 4]) -> [N, 4] {
        fc(x) + cartesian_prod((ones(3), ones(2, 2))).sum()
    }
}

model! {
    struct Counts {
        fc: Linear(4, 4),
    }

    fn forward(x: [N, 4], k: [N; i32]) -> [N, 4] {
        fc(x) + k.bincount().float().sum()
    }
}

model! {
    struct Diagonals {
        fc: Linear(4, 4),
    }

    fn forward(x: [N, 4]) -> [N, 4] {
        fc(x) + ones(4, 4).diagonal_scatter(ones(4), offset = 1)
    }
}

model! {
    struct Puts {
        fc: Linear(4, 4),
    }

    fn forward(x: [N, 4]) -> [N, 4] {
        fc(x).index_put((arange(4), arange(4)), ones(4))
    }
}

model! {
    struct Indices {
        fc: Linear(4, 4),
    }

    fn forward(x: [N, 4]) -> [N, 4] {
        fc(x) + ones(4, 4).index_put([ones(4)], ones(4))
    }
}

model! {
    struct Values {
        fc: Linear(4, 4),
    }

    fn forward(x: [N, 4]) -> [N, 4] {
        fc(x) + ones(2, 4).index_put((arange(2),), ones(3))
    }
}

model! {
    struct Windows {
        fc: Linear(4, 4),
    }

    fn forward(x: [N, 4]) -> [N, 4] {
        fc(x) + fc(x).unfold(1, 5, 1).sum(2)
    }
}

model! {
    struct Powers {
        fc: Linear(4, 4),
    }

    fn forward(x: [N, 4]) -> [N, 4] {
        fc(x) + vander(x.sum(1))
    }
}

model! {
    struct Places {
        fc: Linear(4, 4),
    }

    fn forward(x: [N, 4], k: [N; i32]) -> [N, 4] {
        let (row, _) = unravel_index(k, (3, 0));
        fc(x) + row.float().unsqueeze(1)
    }
}

model! {
    struct Modes {
        fc: Linear(4, 4),
    }

    fn forward(x: [N, 4]) -> [N, 4] {
        let (most, _) = fc(x).mode(dim = 0);
        x + most
    }
}

model! {
    struct Bags {
        table: Parameter(5, 4),
        fc: Linear(4, 4),
    }

    fn forward(x: [N, 4], k: [N; i32]) -> [N, 4] {
        fc(x) + embedding_bag(arange(9), table, k)
    }
}

model! {
    struct Ends {
        table: Parameter(5, 4),
        fc: Linear(4, 4),
    }

    fn forward(x: [N, 4]) -> [N, 4] {
        fc(x) + embedding_bag(arange(9), table, arange(1), include_last_offset = true)
    }
}

model! {
    struct Classes {
        fc: Linear(4, 4),
    }

    fn forward(x: [N, 4], k: [N; i32]) -> [N, 4] {
        fc(x) + one_hot(k)
    }
}

fn main() {}
