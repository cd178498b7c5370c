//! Running a plan through the interpreter of the kernel IR: for machines that are not at hand. The interpreter also finds
//! kernels whose tasks depend on each other; memory starts full of NaN, so that reading what nothing wrote shows.

use kiln_graph::{DType, Role, Shape};
use kiln_jit::kernel::interpret_words;
use kiln_jit::layout::Layout;
use kiln_jit::plan::{Argument, Location, Plan};

use super::random_graphs::Case;

/// What memory holds that nothing has written: NaN, as f32 and as two bf16.
const JUNK: u32 = 0x7fc1_7fc1;

/// The outputs of a plan of the case's graph and then the states after it, as numbers in row-major order. The tasks of all its
/// calls have to be proved disjoint.
pub fn run(plan: &Plan, case: &Case) -> (Vec<Vec<f64>>, Vec<Vec<f64>>) {
    plan.disjoint().unwrap_or_else(|error| panic!("{error}, in\n{plan}"));
    let mut words = plan.arena_bytes.div_ceil(4);
    let states: Vec<usize> = plan
        .inputs
        .iter()
        .map(|input| {
            let start = words;
            words += if input.role == Role::State { plan.slots[input.slot].elements } else { 0 };
            start
        })
        .collect();
    let mut memory = vec![JUNK; words];
    let start = |slot: usize| match plan.slots[slot].location {
        Location::Arena { offset } => offset / 4,
        Location::State { input } => states[input],
    };
    let places = |argument: &Argument| -> Vec<usize> {
        let start = start(argument.slot);
        offsets(argument.ty.shape, &argument.layout).into_iter().map(|offset| start + offset).collect()
    };
    for (input, values) in plan.inputs.iter().zip(&case.values) {
        for (place, &value) in places(input).into_iter().zip(values) {
            memory[place] = match input.ty.dtype {
                DType::F32 => (value as f32).to_bits(),
                DType::Bf16 => unreachable!("no input or result of a whole graph is bf16"),
                DType::I32 | DType::Bool => value as i32 as u32,
            };
        }
    }
    for (call, iteration) in plan.iterations() {
        let call = &plan.calls[call];
        let kernel = &plan.kernels[call.kernel];
        let moved = |position: usize| call.moves.get(position).map_or(0, |by| by.at(iteration));
        let slots = call.arguments.iter().enumerate();
        let size = |position: usize| kernel.buffers[position].element.bytes();
        let place = |(position, &slot): (usize, &usize)| 4 * start(slot) + moved(position) * size(position);
        let arguments: Vec<usize> = slots.map(place).collect();
        interpret_words(kernel, &mut memory, &arguments, 0..kernel.tasks());
    }
    let read = |argument: &Argument| -> Vec<f64> {
        let number = |place: usize| match argument.ty.dtype {
            DType::F32 => f64::from(f32::from_bits(memory[place])),
            DType::Bf16 => unreachable!("no input or result of a whole graph is bf16"),
            DType::I32 | DType::Bool => f64::from(memory[place] as i32),
        };
        places(argument).into_iter().map(number).collect()
    };
    (plan.outputs.iter().map(read).collect(), plan.inputs.iter().map(read).collect())
}

/// The places of a tensor's elements, in row-major order of the elements.
fn offsets(shape: Shape, layout: &Layout) -> Vec<usize> {
    let mut offsets = vec![layout.offset as i64];
    for (&extent, &stride) in shape.dims().iter().zip(&layout.strides) {
        offsets = offsets.iter().flat_map(|&offset| (0..extent as i64).map(move |i| offset + i * stride)).collect();
    }
    offsets.into_iter().map(|offset| offset as usize).collect()
}
