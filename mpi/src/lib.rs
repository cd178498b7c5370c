//! Training on several machines by MPI: [`world`] is the world of the job that `mpirun` (or `srun`) has started, for
//! [`distributed`](kiln::distributed). Any Open MPI or MPICH will do, and what has the interface of one of them (Intel
//! MPI, MVAPICH): the library is loaded when it is asked for, so that nothing of it is needed to build a program.
//! Without `mpirun` a program is a job of one rank, and needs no library.
//!
//! ```no_run
//! use kiln::prelude::*;
//!
//! # #[derive(Model)]
//! # #[model(input = [4])]
//! # struct Net { fc: Linear<4, 3> }
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let world = kiln_mpi::world()?;
//! let trainer = Trainer::new(Net::init(0), cross_entropy(), Adam::default()).batch(256);
//! let mut trainer = trainer.distributed(&world).build()?;
//! # Ok(())
//! # }
//! ```
//!
//! ```sh
//! mpirun -n 4 target/release/train
//! ```
//!
//! It knows messages and MPI's functions, and nothing of what is trained.
#![deny(unsafe_op_in_unsafe_fn)]

mod library;
mod network;

use std::env;

use kiln::distributed::World;

pub use network::MpiError;

/// The environment variables by which launchers tell a process of how many a job is: Open MPI, MPICH and Intel MPI, slurm.
const SIZES: [&str; 3] = ["OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "SLURM_STEP_NUM_TASKS"];

/// The ranks of the job that this process is part of; of one rank, where nobody has started a job. To be called once, by the
/// main thread, before anything else that takes long.
///
/// The library is the one that the environment variable `KILN_MPI` names, else that of the launcher, as the system's loader
/// finds it: `libmpi.so` of Open MPI, `libmpich.so` or `libmpi.so` of MPICH. MPI ends when the last copy of the world does. Where
/// a rank ends without that, with an error or killed, `mpirun` ends the others.
///
/// # Errors
/// [`MpiError`]: no library, one that is not the launcher's, or one that does not allow calls from several threads in turn.
pub fn world() -> Result<World, MpiError> {
    let size = |name: &str| env::var(name).ok()?.parse::<usize>().ok();
    let launched = SIZES.iter().find_map(|name| size(name));
    match launched {
        None => Ok(World::of_threads(1).swap_remove(0)),
        Some(ranks) => Ok(World::new(network::start(ranks)?)),
    }
}
