//! stub
use crate::build::{Builder, Value};
pub(crate) fn differentiate<'g>(_: &'g Builder, _loss: Value<'g>, of: &[Value<'g>]) -> Vec<Value<'g>> {
    of.to_vec()
}
