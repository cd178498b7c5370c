//! The stages of tilings: copies of their operands, and the tiles. It decides nothing.

use super::TiledPart;
use crate::contraction::from_op::QUAD;
use crate::contraction::problem::Source;
use crate::contraction::recipe::{Recipe, Stage, Work};
use crate::contraction::strategies::split_k::Partials;
use crate::contraction::strategies::tile_products;
use crate::kernel::Access;

impl Recipe {
    /// The stages of the parts; where there are partial results, also where these are.
    pub(super) fn tiles(
        &mut self,
        sources: [Source; 2],
        parts: Vec<TiledPart>,
        partials: Option<&Partials>,
        quads: bool,
    ) -> Option<Source> {
        let partial = partials.map(|partials| self.scratch(partials.elements()));
        for TiledPart { tiling, panels, pairs, tiles, accumulate, first, .. } in parts {
            // `tiling` may see the operands exchanged. Its panels are those of the operands as it sees them.
            let exchanged = |[left, right]: [Source; 2]| if tiling.swapped { [right, left] } else { [left, right] };
            let mut operands = exchanged(sources);
            for (side, (operand, panels)) in operands.iter_mut().zip(panels).enumerate() {
                let Some(panels) = panels else { continue };
                let to = self.scratch(panels.elements());
                let work = match pairs {
                    None => Work::PackedPanels(panels),
                    Some(apart) => Work::PackedPairs(panels, apart[side]),
                };
                self.stage([*operand], Some(to), 0, work);
                *operand = to;
            }
            // A product of quads is four, one of pairs two.
            let products = if quads { QUAD as u64 } else { 1 + u64::from(pairs.is_some()) };
            let mut flops = tiling.contraction.flops() * products;
            if let Some(accumulate) = accumulate {
                flops *= accumulate.count() as u64;
                let sums = partial.unwrap_or_else(|| self.scratch(accumulate.elements()));
                // `Accumulate::emit` exchanges them itself, since its items step along the operands as they were.
                let [left, right] = exchanged(operands);
                let buffers = vec![(left, Access::Read), (right, Access::Read), (sums, Access::ReadWrite)];
                let results = accumulate.finishes();
                self.stages.push(Stage { buffers, results, flops, work: Work::Accumulate(tiling, accumulate) });
                continue;
            }
            if tiles {
                let sums = self.scratch(tile_products::scratch(&tiling));
                let [left, right] = operands;
                let mut buffers = vec![(left, Access::Read), (right, Access::Read), (sums, Access::ReadWrite)];
                buffers.extend(partial.map(|partial| (partial, Access::Write)));
                let work = Work::TileProducts(tiling, partials.map(|partials| partials.from(first)));
                self.stages.push(Stage { buffers, results: partial.is_none(), flops, work });
                continue;
            }
            if let Some(blocking) = &tiling.k_blocking {
                let sums = self.scratch(blocking.elements());
                let [left, right] = operands;
                let buffers = vec![(left, Access::Read), (right, Access::Read), (sums, Access::ReadWrite)];
                self.stages.push(Stage { buffers, results: true, flops, work: Work::Tiles(tiling) });
                continue;
            }
            let rows = tiling.converted.is_any().then(|| self.scratch(tiling.converted.scratch(&tiling)));
            let work = match partials {
                None => Work::Tiles(tiling),
                Some(partials) => Work::Partial(tiling, partials.from(first)),
            };
            self.stage(operands, partial, flops, work);
            let stage = self.stages.last_mut().expect("a stage");
            stage.buffers.extend(rows.map(|rows| (rows, Access::ReadWrite)));
        }
        partial
    }
}
