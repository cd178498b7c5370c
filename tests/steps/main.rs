//! `step` and `eval` programs of `model!`: PyTorch's figures for pairs of networks, the order of statements, what is
//! frozen, rates, batch sizes, mistakes at run time.

mod adversaries;
#[path = "../golden/case.rs"]
#[allow(dead_code)]
mod case;
mod denormals;
#[path = "../common/folder.rs"]
mod folder;
mod large;
mod losses;
mod numerics;
mod order;
mod peers;
mod results;
mod running;
mod sizes;
mod transfers;
mod whole;
