//! `step` and `eval` programs of `model!`: PyTorch's figures for pairs of networks, the order of statements, what is
//! frozen, rates, batch sizes, mistakes at run time.

mod adversaries;
#[path = "../golden/case.rs"]
#[allow(dead_code)]
mod case;
mod denormals;
mod elements;
#[path = "../common/folder.rs"]
mod folder;
mod large;
mod losses;
mod numerics;
mod order;
mod peers;
mod products;
mod results;
mod running;
mod sizes;
mod transfers;
mod values;
mod whole;
