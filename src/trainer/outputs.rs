//! Predictions of any number of samples: batches through a program, and what comes out to its place among all. How a
//! program is found or compiled is `programs.rs`'s.

use std::ops::Range;

use kiln_graph::Model;
use kiln_graph::model::{ElementsMut, Inputs, OutputTypes};
use kiln_jit::Session;
use ndarray::{Axis, Slice};

use super::builder::Settings;
use super::error::TrainError;
use super::inputs;
use super::prediction::predict_graph;
use super::programs::{PREDICT, Programs};

/// The outputs for samples in batches of the given size, the last one smaller.
pub fn predict<M: Model>(
    programs: &mut Programs,
    model: &M,
    settings: &Settings,
    x: impl Inputs<M::Input>,
) -> Result<<M::Output as OutputTypes>::Arrays, TrainError> {
    let sizes = inputs::check::<M>(&x, settings)?;
    let rows = sizes.batch();
    let mut result = M::Output::arrays(&|output| sizes.shape(M::OUTPUTS[output].shape)).map_err(TrainError::outputs)?;
    for start in (0..rows).step_by(settings.batch) {
        let part = start..rows.min(start + settings.batch);
        let count = part.len();
        let sizes = sizes.with_batch(count);
        let (program, states) = programs.get(PREDICT, sizes, &mut |sizes| predict_graph(model, sizes))?;
        inputs::write::<M>(program, &x, part.clone())?;
        program.run(states)?;
        read_outputs::<M>(program.session(), &mut result, part);
    }
    Ok(result)
}

/// Copies the outputs for some samples to their places among those of all.
pub fn read_outputs<M: Model>(session: &Session, result: &mut <M::Output as OutputTypes>::Arrays, part: Range<usize>) {
    M::Output::each(result, &mut |output, all| read_output(session, output, all, Slice::from(part.clone())));
}

/// One of them.
fn read_output(session: &Session, output: usize, all: ElementsMut<'_>, part: Slice) {
    match all {
        ElementsMut::F32(mut all) => all.slice_axis_mut(Axis(0), part).assign(&session.output(output)),
        ElementsMut::I32(mut all) => all.slice_axis_mut(Axis(0), part).assign(&session.output_i32(output)),
        ElementsMut::Bool(mut all) => {
            all.slice_axis_mut(Axis(0), part).zip_mut_with(&session.output_i32(output), |to, flag| *to = *flag != 0);
        }
    }
}
