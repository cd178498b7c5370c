//! Functions of one tensor with a number or two, as data: what they make of extents, and how a body writes them. It knows
//! neither how a network is written nor how it is built.

use crate::random::Random;

/// A function by its name in a body, or a word for one of its forms. Axes count from 0, the batch axis.
#[derive(Clone, Debug)]
pub struct Named {
    pub name: &'static str,
    pub axis: usize,
    /// How many elements, groups, places, or 1 for an option that is on.
    pub count: usize,
    /// Of the last axis.
    pub features: usize,
    /// How many axes a sample has.
    pub rank: usize,
}

impl Named {
    /// One that fits a sample of these extents, and the extents that it gives.
    pub fn draw(random: &mut Random, extents: &[usize]) -> Option<(Named, Vec<usize>)> {
        let rank = extents.len();
        let axis = 1 + random.below(rank);
        let (extent, channels, features) = (extents[axis - 1], extents[0], extents[rank - 1]);
        let places: usize = extents[1..].iter().product();
        let same = extents.to_vec();
        let with = |axis: usize, extent: usize| {
            let mut to = extents.to_vec();
            to[axis - 1] = extent;
            to
        };
        let (name, count, to) = match random.below(21) {
            0 => ("norm", 0, with(axis, 1)),
            1 if extent <= 6 => ("prod", 0, with(axis, 1)),
            2 if extent <= 6 => ("cumprod", 0, same),
            3 => ("cummax", 0, same),
            4 => ("logcumsumexp", 0, same),
            5 => ("sort", random.below(2), same),
            6 => {
                let k = 1 + random.below(extent);
                ("topk", k, with(axis, k))
            }
            7 => ("roll", random.below(extent), same),
            8 if rank > 1 => ("tril", random.below(3), same),
            9 | 10 if rank == 2 => ("scaled_dot_product_attention", random.below(2), same),
            // A group of one value is refused where there is one sample, as by PyTorch.
            11 if rank > 1 && places > 1 => {
                let groups: Vec<usize> = (1..=channels).filter(|groups| channels.is_multiple_of(*groups)).collect();
                ("group_norm", random.pick(&groups), same)
            }
            12 => ("rms_norm", 0, same),
            13 if rank > 1 && places > 1 => ("instance_norm", 0, same),
            14 if rank == 2 && features > 2 => {
                let count = 1 + random.below(2);
                (random.pick(&["reflect", "replicate", "circular"]), count, with(rank, features + 2 * count))
            }
            15 | 16 if rank > 1 => {
                let count = 1 + random.below(4);
                let mut to = vec![count; rank];
                to[0] = channels;
                (random.pick(&["adaptive_avg_pool", "adaptive_max_pool"]), count, to)
            }
            17 if rank == 3 && channels.is_multiple_of(4) => {
                ("pixel_shuffle", 2, vec![channels / 4, 2 * extents[1], 2 * extents[2]])
            }
            18 => ("repeat_interleave", 2, with(axis, 2 * extent)),
            19 => ("normalize", 0, same),
            20 if extent > 1 => ("diff", 1, with(axis, extent - 1)),
            _ => return None,
        };
        Some((Named { name, axis, count, features, rank }, to))
    }

    /// As a body has it, of a value of the name `x`.
    pub fn text(&self, x: &str) -> String {
        let Named { name, axis, count, features, rank } = self;
        match *name {
            "norm" => format!("{x}.norm(dim = {axis}, keepdim = true)"),
            "prod" => format!("{x}.prod({axis}, keepdim = true)"),
            "cummax" => {
                format!("{{ let (values, places) = {x}.cummax({axis}); values + places.float() * 0.125 }}")
            }
            "sort" => format!("{{ let (values, _) = {x}.sort({axis}, descending = {}); values }}", *count == 1),
            "topk" => format!("{{ let (values, _) = {x}.topk({count}, dim = {axis}); values }}"),
            "roll" => format!("{x}.roll({count}, {axis})"),
            "tril" => format!("{x}.tril({count})"),
            "scaled_dot_product_attention" => format!("{name}({x}, {x}, {x}, is_causal = {})", *count == 1),
            "group_norm" => format!("group_norm({x}, {count})"),
            "rms_norm" => format!("rms_norm({x}, [{features}], eps = 1e-5)"),
            "instance_norm" => format!("instance_norm({x})"),
            "reflect" | "replicate" | "circular" => format!("{x}.pad([{count}, {count}], mode = \"{name}\")"),
            "adaptive_avg_pool" | "adaptive_max_pool" => format!("{name}{}d({x}, {count})", rank - 1),
            "pixel_shuffle" => format!("pixel_shuffle({x}, {count})"),
            "repeat_interleave" => format!("{x}.repeat_interleave({count}, {axis})"),
            "normalize" => format!("normalize({x}, dim = {axis})"),
            "diff" => format!("{x}.diff(dim = {axis})"),
            _ => format!("{x}.{name}({axis})"),
        }
    }
}
