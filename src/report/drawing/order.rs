//! Places the boxes of one diagram: a layered layout. Boxes stand in rows by their depth, in each row in the order with
//! the fewest crossings that a few sweeps find, and in columns, so that chains run straight down. It knows numbers
//! only.
//!
//! Source: Sugiyama, Tagawa and Toda, "Methods for Visual Understanding of Hierarchical System Structures" (ranks,
//! orders by barycenters); Brandes and Köpf, "Fast and Simple Horizontal Coordinate Assignment" (chains as columns).

/// How often rows are sorted, down and up in turn.
const SWEEPS: usize = 12;

/// An edge that passes more rows has no places on its way, and lies over what it passes: so many edges as there are boxes,
/// each past half of the rows, would need as many places as the square of the rows.
const LONG: usize = 64;

/// Where something stands: its row from the top and its column from the left, from 0.
pub type Place = (usize, usize);

/// The layout of a diagram.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    /// For each box its place.
    pub boxes: Vec<Place>,
    /// For each box the places that the edges from it pass, one in each row down to the last but that box which takes from
    /// it. Edges from one box share them, so that a value which all later boxes take is one line, and not one for each.
    pub trunks: Vec<Vec<Place>>,
    /// For each edge how many places of its box's trunk it passes: one in each row between its ends, or none if these are
    /// many.
    pub lanes: Vec<usize>,
}

/// Places `count` boxes with the given edges `(from, to)` between them. `last` boxes at the end of the list stand in the
/// last row. An edge that would close a circle is left out of account.
pub fn place(count: usize, edges: &[(usize, usize)], last: usize) -> Layout {
    let ranks = ranks(count, edges, last);
    let mut graph = Layers::new(&ranks, edges);
    graph.sort();
    let columns = graph.columns();
    let row = |member: usize| graph.members[member].rank;
    Layout {
        boxes: (0..count).map(|member| (row(member), columns[member])).collect(),
        trunks: graph
            .trunks
            .iter()
            .map(|trunk| trunk.iter().map(|&member| (row(member), columns[member])).collect())
            .collect(),
        lanes: graph.lanes,
    }
}

/// The row of each box: below all that it takes from, and what takes from nothing just above its first user.
fn ranks(count: usize, edges: &[(usize, usize)], last: usize) -> Vec<usize> {
    let mut ranks = vec![0usize; count];
    // Edges run forwards in the order of the program; what does not is no constraint.
    let mut users = vec![Vec::new(); count];
    let mut is_source = vec![true; count];
    for &(from, to) in edges.iter().filter(|(from, to)| from < to) {
        users[from].push(to);
        is_source[to] = false;
    }
    for from in 0..count {
        for &to in &users[from] {
            ranks[to] = ranks[to].max(ranks[from] + 1);
        }
    }
    for from in (0..count).rev() {
        let first_user = users[from].iter().map(|&to| ranks[to]).min();
        if let (true, Some(user)) = (is_source[from], first_user) {
            ranks[from] = user.saturating_sub(1);
        }
    }
    let bottom = ranks.iter().copied().max().unwrap_or(0);
    ranks[count - last..].fill(bottom);
    ranks
}

/// A box, or the place of edges in a row that they pass.
struct Member {
    rank: usize,
    above: Vec<usize>,
    below: Vec<usize>,
    is_lane: bool,
}

struct Layers {
    members: Vec<Member>,
    /// For each box the places of the edges from it, from the top.
    trunks: Vec<Vec<usize>>,
    /// For each edge how many of them it passes.
    lanes: Vec<usize>,
    /// The members of each row, from the left.
    rows: Vec<Vec<usize>>,
}

impl Layers {
    fn new(ranks: &[usize], edges: &[(usize, usize)]) -> Layers {
        let member = |rank: usize, is_lane: bool| Member { rank, above: Vec::new(), below: Vec::new(), is_lane };
        let mut members: Vec<Member> = ranks.iter().map(|&rank| member(rank, false)).collect();
        let mut trunks = vec![Vec::new(); ranks.len()];
        let mut lanes = Vec::new();
        for &(from, to) in edges {
            let passed = ranks[to].saturating_sub(ranks[from] + 1);
            if passed > LONG {
                lanes.push(0);
                continue;
            }
            let trunk: &mut Vec<usize> = &mut trunks[from];
            while trunk.len() < passed {
                let lane = members.len();
                members.push(member(ranks[from] + trunk.len() + 1, true));
                join(&mut members, trunk.last().copied().unwrap_or(from), lane);
                trunk.push(lane);
            }
            if ranks[from] < ranks[to] {
                join(&mut members, trunk[..passed].last().copied().unwrap_or(from), to);
            }
            lanes.push(passed);
        }
        let height = ranks.iter().map(|rank| rank + 1).max().unwrap_or(0);
        let mut rows = vec![Vec::new(); height];
        members.iter().enumerate().for_each(|(number, member)| rows[member.rank].push(number));
        // What begins in a row stands to the right of what comes from above.
        rows.iter_mut().for_each(|row| row.sort_by_key(|&member| members[member].above.is_empty()));
        Layers { members, trunks, lanes, rows }
    }

    /// Sorts each row by the middle of its neighbours in the row before, up and down; keeps the best order.
    fn sort(&mut self) {
        let mut best = (self.crossings(), self.rows.clone());
        let mut positions = self.positions();
        for sweep in 0..SWEEPS {
            // Nothing crosses that sorting could part.
            if best.0 == 0 {
                break;
            }
            let height = self.rows.len();
            for step in 1..height {
                let row = if sweep % 2 == 0 { step } else { height - 1 - step };
                self.sort_row(row, sweep % 2 == 0, &mut positions);
            }
            let crossings = self.crossings();
            if crossings < best.0 {
                best = (crossings, self.rows.clone());
            }
        }
        self.rows = best.1;
    }

    fn sort_row(&mut self, row: usize, downwards: bool, positions: &mut [usize]) {
        let middle = |member: usize| {
            let Member { above, below, .. } = &self.members[member];
            let neighbours = if downwards { above } else { below };
            let sum: usize = neighbours.iter().map(|&other| positions[other]).sum();
            match neighbours.len() {
                0 => positions[member] as f64,
                count => sum as f64 / count as f64,
            }
        };
        // Lanes stand to the right of boxes that pull as strongly.
        let mut sorted: Vec<(f64, bool, usize)> =
            self.rows[row].iter().map(|&member| (middle(member), self.members[member].is_lane, member)).collect();
        sorted.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        self.rows[row] = sorted.into_iter().map(|(_, _, member)| member).collect();
        self.rows[row].iter().enumerate().for_each(|(at, &member)| positions[member] = at);
    }

    fn positions(&self) -> Vec<usize> {
        let mut positions = vec![0; self.members.len()];
        self.rows.iter().for_each(|row| row.iter().enumerate().for_each(|(at, &member)| positions[member] = at));
        positions
    }

    fn crossings(&self) -> usize {
        let positions = self.positions();
        let mut crossings = 0;
        for row in &self.rows {
            // In the order of the upper ends, so that each lower end crosses those before it that stand further to the right.
            let mut lower: Vec<usize> = Vec::new();
            for &member in row {
                let from = lower.len();
                lower.extend(self.members[member].below.iter().map(|&below| positions[below]));
                lower[from..].sort_unstable();
            }
            crossings += inversions(&mut lower);
        }
        crossings
    }

    /// A column for each member: chains of members stand in one column each, and members of a row in its order.
    fn columns(&self) -> Vec<usize> {
        let positions = self.positions();
        let mut chains: Vec<usize> = (0..self.members.len()).collect();
        for row in self.rows.iter().skip(1) {
            // Whatever stands to the right of a member that is joined to one above joins further to the right.
            let mut free_from = 0;
            for &member in row {
                let mut above = self.members[member].above.clone();
                above.sort_by_key(|&other| positions[other]);
                // A lane goes on as a lane; a box stands below the first that it takes from.
                let straight = above.iter().copied().find(|&other| {
                    let goes_on = self.members[other].is_lane && !self.members[member].is_lane;
                    let is_taken = self.members[other]
                        .below
                        .iter()
                        .any(|&b| b != member && (chains[b] == chains[other] || goes_on && self.members[b].is_lane));
                    positions[other] >= free_from && !is_taken
                });
                if let Some(other) = straight {
                    free_from = positions[other] + 1;
                    chains[member] = chains[other];
                }
            }
        }
        // The smallest columns that keep the order of each row.
        let mut columns = vec![0; self.members.len()];
        // Chains do not cross, so that each pass settles at least one more.
        for _ in 0..self.members.len() {
            let mut changed = false;
            for row in &self.rows {
                for pair in row.windows(2) {
                    let (left, right) = (chains[pair[0]], chains[pair[1]]);
                    if columns[right] <= columns[left] {
                        columns[right] = columns[left] + 1;
                        changed = true;
                    }
                }
            }
            if !changed {
                break;
            }
        }
        (0..self.members.len()).map(|member| columns[chains[member]]).collect()
    }
}

/// How many pairs of numbers stand in the wrong order; sorts them.
fn inversions(numbers: &mut [usize]) -> usize {
    if numbers.len() < 2 {
        return 0;
    }
    let (left, right) = numbers.split_at_mut(numbers.len() / 2);
    let mut count = inversions(left) + inversions(right);
    let mut at = 0;
    for &number in right.iter() {
        while at < left.len() && left[at] <= number {
            at += 1;
        }
        count += left.len() - at;
    }
    numbers.sort();
    count
}

fn join(members: &mut [Member], above: usize, below: usize) {
    members[above].below.push(below);
    members[below].above.push(above);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(count: usize, edges: &[(usize, usize)], expected: &[Place]) {
        let layout = place(count, edges, 0);
        assert_eq!(layout.boxes, expected, "{edges:?}");
        for (&passed, &(from, to)) in layout.lanes.iter().zip(edges) {
            let rows: Vec<usize> = layout.trunks[from][..passed].iter().map(|place| place.0).collect();
            let mut between: Vec<usize> = (layout.boxes[from].0 + 1..layout.boxes[to].0).collect();
            between.truncate(if between.len() > LONG { 0 } else { LONG });
            assert_eq!(rows, between, "the edge {from} to {to} passes every row between its ends");
        }
        let mut all: Vec<&Place> = layout.boxes.iter().chain(layout.trunks.iter().flatten()).collect();
        let count = all.len();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), count, "two things at one place: {edges:?}");
    }

    #[test]
    fn chains_run_straight_and_edges_pass_beside_boxes() {
        check(0, &[], &[]);
        check(3, &[(0, 1), (1, 2)], &[(0, 0), (1, 0), (2, 0)]);
        // A skip connection.
        check(4, &[(0, 1), (1, 2), (0, 3), (2, 3)], &[(0, 0), (1, 0), (2, 0), (3, 0)]);
        // Two branches of different lengths.
        check(5, &[(0, 1), (1, 2), (0, 3), (2, 4), (3, 4)], &[(0, 0), (1, 0), (2, 0), (1, 1), (3, 0)]);
        // What all later ones take passes them in one line.
        check(4, &[(0, 1), (0, 2), (0, 3), (1, 2), (2, 3)], &[(0, 0), (1, 0), (2, 0), (3, 0)]);
        // A second input stands just above its user.
        check(4, &[(0, 2), (2, 3), (1, 3)], &[(0, 0), (1, 1), (1, 0), (2, 0)]);
    }

    #[test]
    fn long_edges_need_places_in_proportion_to_the_boxes() {
        let count = 800;
        let chain = |to: usize| (to - 1, to);
        // A value that all take, values that are taken at the end, values that are taken half way further down.
        let edges: [&dyn Fn(usize) -> (usize, usize); 3] = [&|to| (0, to), &|to| (to, count - 1), &|to| (to / 2, to)];
        for (case, edge) in edges.into_iter().enumerate() {
            let edges: Vec<(usize, usize)> = (1..count).flat_map(|to| [chain(to), edge(to)]).collect();
            let layout = place(count, &edges, 1);
            assert!(layout.boxes.iter().enumerate().all(|(row, place)| place.0 == row), "{case}");
            assert!(layout.trunks.iter().map(Vec::len).sum::<usize>() <= LONG * count, "{case}");
        }
        let skips: Vec<(usize, usize)> = (1..count).flat_map(|to| [chain(to), (to.saturating_sub(40), to)]).collect();
        assert_eq!(place(count, &skips, 1).trunks.iter().filter(|trunk| trunk.len() == 39).count(), count - 40);
    }

    #[test]
    fn needless_crossings_are_undone() {
        let mut graph = Layers::new(&[0, 0, 1, 1], &[(0, 3), (1, 2)]);
        assert_eq!(graph.crossings(), 1);
        graph.sort();
        assert_eq!(graph.crossings(), 0);
    }

    #[test]
    fn an_edge_backwards_does_not_disturb() {
        let layout = place(2, &[(0, 1), (1, 0)], 0);
        assert_eq!(layout.boxes, [(0, 0), (1, 0)]);
    }
}
