//! What files of other programs hold: numbers, arrays, archives. It works on bytes that are read when they are asked
//! for, and knows neither models nor data sets; what is wrong with a file is a text, to which those who read files add
//! its path.
//!
//! Nothing here takes more memory than the file is long, but for what is compressed: at most 1032 times as much, which
//! is what deflate can do at its best, and no more than the file announces.

pub mod archive;
pub mod bytes;
pub mod element;
pub mod half;
pub mod inflate;
pub mod npy;
pub mod part;
pub mod tensor;

/// What is wrong with a file.
pub type Reason = String;
