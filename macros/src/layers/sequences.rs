//! What layers over sequences take: recurrent ones, the transformer's and stacks of them. Knows names and kinds of
//! arguments.

use super::{Choice, Kind, Parameter, dimension, setting};

const ACTIVATION: Choice = Choice { of: "Activation", words: &[("relu", "Relu"), ("gelu", "Gelu")] };

/// What a layer of a transformer takes.
pub const TRANSFORMER_LAYER: &[Parameter] = &[
    dimension("d_model", Kind::Size),
    dimension("nhead", Kind::Size),
    setting("dim_feedforward", Kind::Size),
    setting("dropout", Kind::Number),
    setting("activation", Kind::Choice(&ACTIVATION)),
    setting("layer_norm_eps", Kind::Number),
    setting("batch_first", Kind::Flag),
    setting("norm_first", Kind::Flag),
    setting("bias", Kind::Flag),
];

/// What a whole transformer takes.
pub const TRANSFORMER: &[Parameter] = &[
    dimension("d_model", Kind::Size),
    dimension("nhead", Kind::Size),
    setting("num_encoder_layers", Kind::Size),
    setting("num_decoder_layers", Kind::Size),
    setting("dim_feedforward", Kind::Size),
    setting("dropout", Kind::Number),
    setting("activation", Kind::Choice(&ACTIVATION)),
    setting("layer_norm_eps", Kind::Number),
    setting("batch_first", Kind::Flag),
    setting("norm_first", Kind::Flag),
    setting("bias", Kind::Flag),
];

/// What some of them on top of one another take.
pub const STACK: &[Parameter] = &[
    dimension("d_model", Kind::Size),
    dimension("nhead", Kind::Size),
    dimension("num_layers", Kind::Size),
    setting("dim_feedforward", Kind::Size),
    setting("dropout", Kind::Number),
    setting("activation", Kind::Choice(&ACTIVATION)),
    setting("layer_norm_eps", Kind::Number),
    setting("batch_first", Kind::Flag),
    setting("norm_first", Kind::Flag),
    setting("bias", Kind::Flag),
    setting("norm", Kind::Flag),
];

/// What an RNN applies.
const NONLINEARITY: Choice = Choice { of: "Nonlinearity", words: &[("tanh", "Tanh"), ("relu", "Relu")] };

/// What an LSTM takes.
pub const LSTM: &[Parameter] = &[
    dimension("input_size", Kind::Size),
    dimension("hidden_size", Kind::Size),
    setting("num_layers", Kind::Size),
    setting("bias", Kind::Flag),
    setting("batch_first", Kind::Flag),
    setting("dropout", Kind::Number),
    setting("bidirectional", Kind::Flag),
    setting("proj_size", Kind::Size),
];

/// What a GRU takes: it has no projection.
pub const GRU: &[Parameter] = LSTM.split_at(LSTM.len() - 1).0;

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
