//! Layers as functions, whose weights do not go with what they are given.

use kiln::prelude::*;

model! {
    struct Weights {
        kernel: Parameter(4, 3, 3, 3),
        shift: Parameter(4),
        table: Parameter(5, 6),
    }

    eval channels(x: [N, 3, 8, 8]) -> channels {
        let channels = conv2d(x.unsqueeze(1).reshape([N, 6, 4, 8]), kernel);
    }

    eval bias(x: [N, 3, 8, 8]) -> bias {
        let bias = conv2d(x, kernel, shift.reshape([2, 2]));
    }

    eval groups(x: [N, 3, 8, 8]) -> groups {
        let groups = conv2d(x, kernel, groups = 2);
    }

    eval word(x: [N, 3, 8, 8]) -> word {
        let word = conv2d(x, kernel, padding = "full");
    }

    eval strided(x: [N, 3, 8, 8]) -> strided {
        let strided = conv2d(x, kernel, stride = 2, padding = "same");
    }

    eval rank(x: [N, 3, 8, 8]) -> rank {
        let rank = conv1d(x, kernel);
    }

    eval transposed(x: [N, 3, 8, 8]) -> transposed {
        let transposed = conv_transpose2d(x, kernel);
    }

    eval normalized(x: [N, 3, 8, 8]) -> normalized {
        let normalized = layer_norm(x, (8, 4));
    }

    eval features(x: [N, 3, 8, 8]) -> features {
        let features = group_norm(x, 2);
    }

    eval running(x: [N, 3, 8, 8]) -> running {
        let running = batch_norm(x, table.select(1, 0).slice(0, 0, 3), table.select(1, 1).slice(0, 0, 3), training = true);
    }

    eval alone(x: [N, 3, 8, 8]) -> alone {
        let alone = batch_norm(x, None, None);
    }

    eval row(words: [N; i32]) -> row {
        let row = embedding(words, table, padding_idx = 5);
    }

    eval places(x: [N, 3, 8, 8], grid: [N, 4, 4, 2]) -> places {
        let places = grid_sample(x, grid.transpose(1, 3));
    }

    eval mode(x: [N, 3, 8, 8], grid: [N, 4, 4, 2]) -> mode {
        let mode = grid_sample(x, grid, mode = "linear");
    }

    eval theta(grid: [N, 4, 4, 2]) -> theta {
        let theta = affine_grid(grid, (N, 3, 8, 8));
    }
}

model! {
    struct Names {
        kernel: Parameter(4, 3, 3, 3),
    }

    fn forward(x: [N, 3, 8, 8], words: [N; i32]) -> [N, 4, 8, 8] {
        let y = conv2d(x, kernel, padding = (1, 1), step = 2);
        let z = x.conv2d(kernel);
        embedding(words)
    }
}

fn main() {}
