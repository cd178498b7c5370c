//! What recurrent layers and their cells take. Knows names and kinds of arguments.

use super::{Choice, Kind, Parameter, dimension, setting};

const NONLINEARITY: Choice = Choice { of: "Nonlinearity", words: &[("tanh", "Tanh"), ("relu", "Relu")] };

/// What LSTM and GRU take.
pub const RECURRENT: &[Parameter] = &[
    dimension("input_size", Kind::Size),
    dimension("hidden_size", Kind::Size),
    setting("num_layers", Kind::Size),
    setting("bias", Kind::Flag),
    setting("batch_first", Kind::Flag),
    setting("dropout", Kind::Number),
    setting("bidirectional", Kind::Flag),
];

/// What cells take.
pub const CELL: &[Parameter] =
    &[dimension("input_size", Kind::Size), dimension("hidden_size", Kind::Size), setting("bias", Kind::Flag)];

/// What an RNN takes.
pub const RNN: &[Parameter] = &[
    dimension("input_size", Kind::Size),
    dimension("hidden_size", Kind::Size),
    setting("num_layers", Kind::Size),
    setting("nonlinearity", Kind::Choice(&NONLINEARITY)),
    setting("bias", Kind::Flag),
    setting("batch_first", Kind::Flag),
    setting("dropout", Kind::Number),
    setting("bidirectional", Kind::Flag),
];

/// What its cell takes.
pub const RNN_CELL: &[Parameter] = &[
    dimension("input_size", Kind::Size),
    dimension("hidden_size", Kind::Size),
    setting("bias", Kind::Flag),
    setting("nonlinearity", Kind::Choice(&NONLINEARITY)),
];
