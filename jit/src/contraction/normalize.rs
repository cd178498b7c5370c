//! What a contraction is seen as: with its operands exchanged, with fewer axes, by what may run along the lanes. It decides nothing.

use super::problem::{Axis, Contraction, Coordinate};

impl Contraction {
    /// The same contraction with its operands exchanged.
    pub(super) fn swapped(&self) -> Contraction {
        let axes = self.axes.iter().map(|a| Axis { left: a.right, right: a.left, ..*a }).collect();
        Contraction { axes, left: self.right, right: self.left, ..self.clone() }
    }

    /// What may run along the lanes: the vector axis and the folded axis.
    pub(super) fn forms(&self) -> Vec<(Option<usize>, Option<usize>)> {
        let all = || 0..self.axes.len();
        let vectors = || all().filter(|&a| !self.axes[a].reduce && self.lanes(a).is_some());
        let folds = || all().filter(|&a| self.axes[a].reduce && self.axes[a].left == 1 && self.axes[a].right == 1);
        let columns = || vectors().filter(|&a| self.axes[a].left == 0).map(Some).chain([None]);
        let folded = folds().flat_map(|fold| columns().map(move |vector| (vector, Some(fold))));
        vectors().map(|v| (Some(v), None)).chain([(None, None)]).chain(folded).collect()
    }

    /// The output axis along which neighbours on this axis are neighbours.
    pub(super) fn lanes(&self, axis: usize) -> Option<usize> {
        let mut uses = (0..self.output.len())
            .flat_map(|o| self.output[o].terms.iter().map(move |t| (o, *t)))
            .filter(|(_, (a, _))| *a == axis);
        match (uses.next(), uses.next()) {
            (Some((output, (_, 1))), None) => Some(output),
            _ => None,
        }
    }

    /// About how many elements of the left operand the given strips of the axes touch.
    pub(super) fn left_elements(&self, extents: &[usize]) -> usize {
        let touched = self.axes.iter().zip(extents).filter(|(a, _)| a.left != 0);
        let (mut product, mut span) = (1, 1);
        for (axis, &extent) in touched {
            product *= extent.max(1);
            span += (extent.max(1) - 1) * axis.left.unsigned_abs() as usize;
        }
        product.min(span)
    }

    /// The same sums over fewer axes: those of extent 1 dropped, reduced axes that follow one another in both operands joined.
    pub(super) fn simplified(&self) -> Contraction {
        let mut axes: Vec<Axis> = Vec::new();
        let mut renamed = Vec::new();
        for axis in &self.axes {
            renamed.push((axis.extent != 1).then_some(axes.len()));
            axes.extend((axis.extent != 1).then_some(*axis));
        }
        let mut joined = true;
        while joined {
            joined = false;
            for outer in 0..axes.len() {
                let a = axes[outer];
                let follows =
                    |b: &Axis| b.reduce && a.left == b.left * b.extent as i64 && a.right == b.right * b.extent as i64;
                let inner = (0..axes.len()).find(|&i| i != outer && a.reduce && a.extent != 1 && follows(&axes[i]));
                if let Some(inner) = inner.filter(|&i| axes[i].extent > 1) {
                    axes[inner].extent *= a.extent;
                    axes[outer] = Axis { extent: 1, left: 0, right: 0, reduce: true };
                    joined = true;
                }
            }
        }
        let output = self.output.iter().map(|coordinate| {
            let terms = coordinate.terms.iter().filter_map(|&(axis, factor)| Some((renamed[axis]?, factor)));
            Coordinate { offset: coordinate.offset, terms: terms.collect() }
        });
        let output = output.collect();
        Contraction { axes, output, ..self.clone() }
    }
}
