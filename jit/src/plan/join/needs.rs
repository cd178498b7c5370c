//! Which groups need which, directly or not, while groups are joined.
//!
//! The groups stand in an order in which they could run. A group can need another one only if it stands behind it, and
//! through groups between the two alone, so that a question is a search of what stands there: from both ends in turn,
//! until the two meet or one of them has nowhere to go. Two groups that become one leave others on the wrong side of
//! it: what the second needs, or what needs the first, moves past the other one, whichever of the two is found sooner.
//! (Pearce and Kelly, "A dynamic topological sort algorithm for directed acyclic graphs", 2006, is the search of one
//! end.)
//!
//! Long paths that are there anyway, as from the loss to a gradient, are not searched: one walk over all groups makes a
//! tree of some of the needs, and a group needs all that stands below it there. Joining groups never ends a need.
//!
//! It knows numbers of groups alone.

/// No group.
const NONE: u32 = u32::MAX;

/// How far apart the places (labels in an order) of neighbours are, at first and whenever there was no room left.
const STEP: u64 = 1 << 32;

/// The needs of groups.
pub struct Needs {
    /// For each group the one that it has become a part of; itself, if none.
    joined: Vec<u32>,
    /// The groups that it needs directly, and those that need it directly, by the numbers that they had first.
    needs: Vec<Vec<u32>>,
    users: Vec<Vec<u32>>,
    /// Where it stands; and the groups before and behind it.
    places: Vec<u64>,
    before: Vec<u32>,
    behind: Vec<u32>,
    first: u32,
    tree: Tree,
    seen: Seen,
    /// Those of the last search, for their memory.
    fronts: (Front, Front),
}

/// For each group a span of numbers, which holds those of groups that it needs for certain, and a number.
#[derive(Default)]
struct Tree {
    spans: Vec<(u32, u32)>,
    numbers: Vec<u32>,
}

/// Marks of a search, made void all at once.
#[derive(Default)]
struct Seen {
    search: u32,
    back: Vec<u32>,
    forth: Vec<u32>,
}

/// One end of a search: the groups that it has met, and how far it has looked at their neighbours.
#[derive(Default)]
struct Front {
    groups: Vec<u32>,
    number: usize,
    neighbour: usize,
}

impl Needs {
    /// Groups that need the given ones, which come before them.
    pub fn new(needs: Vec<Vec<u32>>) -> Needs {
        let groups = needs.len();
        let mut users = vec![Vec::new(); groups];
        for (group, needs) in needs.iter().enumerate() {
            needs.iter().for_each(|&needed| users[needed as usize].push(group as u32));
        }
        let mut all = Needs {
            joined: (0..groups as u32).collect(),
            needs,
            users,
            places: (1..=groups as u64).map(|place| place * STEP).collect(),
            before: (0..groups as u32).map(|group| group.wrapping_sub(1)).collect(),
            behind: (1..=groups as u32).map(|next| if next == groups as u32 { NONE } else { next }).collect(),
            first: if groups == 0 { NONE } else { 0 },
            tree: Tree::default(),
            seen: Seen { search: 0, back: vec![0; groups], forth: vec![0; groups] },
            fronts: Default::default(),
        };
        all.look_again();
        all
    }

    /// Makes the tree anew from the groups as they are.
    pub fn look_again(&mut self) {
        let groups = self.joined.len();
        self.tree = Tree { spans: vec![(0, 0); groups], numbers: vec![NONE; groups] };
        let mut order = Vec::new();
        let mut group = self.first;
        while group != NONE {
            order.push(group);
            group = self.behind[group as usize];
        }
        // A group is entered, then what it needs, the last ones first: they need most of the rest.
        // Groups get numbers as they are entered, so that all that is entered below a group has the numbers from its
        // own on, without a gap: `spans` of the group. Whoever was entered below is needed for certain. Who was not may
        // be needed all the same, if another group had entered it before: then the search has to say it.
        let mut open: Vec<(u32, bool)> = Vec::new();
        let mut count = 0;
        for &root in order.iter().rev() {
            open.push((root, false));
            while let Some((group, done)) = open.pop() {
                let entry = group as usize;
                if done {
                    self.tree.spans[entry].1 = count;
                    continue;
                }
                if self.tree.numbers[entry] != NONE {
                    continue;
                }
                self.tree.numbers[entry] = count;
                self.tree.spans[entry].0 = count;
                count += 1;
                open.push((group, true));
                let from = open.len();
                for &needed in &self.needs[entry] {
                    let needed = whole(&mut self.joined, needed);
                    if self.tree.numbers[needed as usize] == NONE {
                        open.push((needed, false));
                    }
                }
                open[from..].sort_unstable_by_key(|&(group, _)| self.places[group as usize]);
            }
        }
    }

    /// Whether group `a` needs group `b`, directly or not.
    pub fn depends(&mut self, a: usize, b: usize) -> bool {
        self.is_way((a as u32, b as u32), true)
    }

    /// Whether group `a` needs group `b` through a third one.
    pub fn depends_through_others(&mut self, a: usize, b: usize) -> bool {
        self.is_way((a as u32, b as u32), false)
    }

    /// Whether a group stands behind `b` and before `a`.
    fn stands_between(&self, group: u32, (a, b): (u32, u32)) -> bool {
        let place = self.places[group as usize];
        self.places[b as usize] < place && place < self.places[a as usize]
    }

    /// Whether `a` needs `b`; through a third group, if not `directly`.
    fn is_way(&mut self, (a, b): (u32, u32), directly: bool) -> bool {
        if self.places[a as usize] <= self.places[b as usize] {
            return false;
        }
        if directly && self.tree.needs(a, b) {
            return true;
        }
        let mut fronts = std::mem::take(&mut self.fronts);
        let found = self.search((a, b), directly, &mut fronts);
        self.fronts = fronts;
        found
    }

    /// Looks for a way from `a` to `b`, which stands before it.
    fn search(&mut self, (a, b): (u32, u32), directly: bool, (back, forth): &mut (Front, Front)) -> bool {
        let search = self.seen.next();
        self.seen.back[a as usize] = search;
        self.seen.forth[b as usize] = search;
        // The order of the groups, and what is looked at of it:
        //   .. b  [ forth ->          <- back ]  a ..
        // All that is needed stands before its user, so that whatever leads from a to b lies between the two. One
        // neighbour from each end in turn: a question costs twice the cheaper end, however many users a popular group
        // has.
        back.begin(a);
        forth.begin(b);
        loop {
            let Some(group) = back.step(&self.needs) else { return false };
            let group = whole(&mut self.joined, group);
            if group == b {
                // The neighbours of `groups[0]`, which is a itself, are needed directly; those of others through these.
                if directly || back.number > 0 {
                    return true;
                }
            } else if self.seen.forth[group as usize] == search || group != a && self.tree.needs(group, b) {
                return true;
            } else if self.stands_between(group, (a, b)) && self.seen.back[group as usize] != search {
                self.seen.back[group as usize] = search;
                back.groups.push(group);
            }
            let Some(group) = forth.step(&self.users) else { return false };
            let group = whole(&mut self.joined, group);
            if group == a {
                if directly || forth.number > 0 {
                    return true;
                }
            } else if self.seen.back[group as usize] == search || group != b && self.tree.needs(a, group) {
                return true;
            } else if self.stands_between(group, (a, b)) && self.seen.forth[group as usize] != search {
                self.seen.forth[group as usize] = search;
                forth.groups.push(group);
            }
        }
    }

    /// Makes the second group a part of the first; neither needs the other one through a third.
    pub fn join(&mut self, first: usize, second: usize) {
        let (first, second) = (first as u32, second as u32);
        let (low, high) =
            if self.places[first as usize] < self.places[second as usize] { (first, second) } else { (second, first) };
        // The joined group has one place, behind all that either needs and before all that needs either:
        //   low  u  n  high     u needs low, high needs n     ->     n  low+high  u
        let at_low = self.part(low, high);
        // The joined group stands where what had to move was little.
        let stays = if at_low { low } else { high };
        if stays == second {
            self.unlink(first);
            self.insert_before(&[first], second);
        }
        self.unlink(second);
        // Lists keep the old numbers: `whole` says which group a number has become a part of, so that joining renames
        // nothing.
        self.joined[second as usize] = first;
        append(&mut self.needs, first, second);
        append(&mut self.users, first, second);
        self.tree.join(first, second);
    }

    /// Lets a group need another one, unless that would need it; says whether it does now.
    pub fn add(&mut self, group: usize, needed: usize) -> bool {
        if self.depends(needed, group) {
            return false;
        }
        let (group, needed) = (group as u32, needed as u32);
        if self.places[group as usize] < self.places[needed as usize] {
            let at_low = self.part(group, needed);
            let (moved, place) = if at_low { (needed, group) } else { (group, needed) };
            self.unlink(moved);
            if at_low {
                self.insert_before(&[moved], place);
            } else {
                self.insert_behind(&[moved], place);
            }
        }
        self.needs[group as usize].push(needed);
        self.users[needed as usize].push(group);
        true
    }

    /// Moves either what `high` needs from between the two groups before `low` (true), or what needs `low` from there
    /// behind `high`.
    fn part(&mut self, low: u32, high: u32) -> bool {
        let search = self.seen.next();
        let (mut back, mut forth) = std::mem::take(&mut self.fronts);
        back.begin(high);
        forth.begin(low);
        let at_low = loop {
            let Some(group) = back.step(&self.needs) else { break true };
            let group = whole(&mut self.joined, group);
            if self.stands_between(group, (high, low)) && self.seen.back[group as usize] != search {
                self.seen.back[group as usize] = search;
                back.groups.push(group);
            }
            let Some(group) = forth.step(&self.users) else { break false };
            let group = whole(&mut self.joined, group);
            if self.stands_between(group, (high, low)) && self.seen.forth[group as usize] != search {
                self.seen.forth[group as usize] = search;
                forth.groups.push(group);
            }
        };
        // Without the end itself, and in the order in which they stood: among themselves they need one another as
        // before.
        let moved = &mut if at_low { &mut back } else { &mut forth }.groups[1..];
        if !moved.is_empty() {
            moved.sort_unstable_by_key(|&group| self.places[group as usize]);
            moved.iter().for_each(|&group| self.unlink(group));
            if at_low {
                self.insert_before(moved, low);
            } else {
                self.insert_behind(moved, high);
            }
        }
        self.fronts = (back, forth);
        at_low
    }

    fn unlink(&mut self, group: u32) {
        let (before, behind) = (self.before[group as usize], self.behind[group as usize]);
        match before {
            NONE => self.first = behind,
            before => self.behind[before as usize] = behind,
        }
        if behind != NONE {
            self.before[behind as usize] = before;
        }
    }

    fn insert_before(&mut self, groups: &[u32], behind: u32) {
        self.insert(groups, self.before[behind as usize], behind);
    }

    fn insert_behind(&mut self, groups: &[u32], before: u32) {
        self.insert(groups, before, self.behind[before as usize]);
    }

    /// Puts groups between two neighbours.
    fn insert(&mut self, groups: &[u32], before: u32, behind: u32) {
        // Places are labels with room between them, so that "stands before" is a comparison, and most insertions touch
        // nothing else.
        let start = if before == NONE { 0 } else { self.places[before as usize] };
        let end = if behind == NONE { start + STEP * (groups.len() as u64 + 1) } else { self.places[behind as usize] };
        let distance = (end - start) / (groups.len() as u64 + 1);
        let mut last = before;
        for (number, &group) in groups.iter().enumerate() {
            self.places[group as usize] = start + distance * (number as u64 + 1);
            self.before[group as usize] = last;
            match last {
                NONE => self.first = group,
                last => self.behind[last as usize] = group,
            }
            last = group;
        }
        match last {
            NONE => self.first = behind,
            last => self.behind[last as usize] = behind,
        }
        if behind != NONE {
            self.before[behind as usize] = last;
        }
        // No room for so many: some have equal labels now. All get new ones, in the order of the links, which is right.
        if distance == 0 {
            self.spread();
        }
    }

    /// Makes room between all.
    fn spread(&mut self) {
        let (mut group, mut place) = (self.first, STEP);
        while group != NONE {
            self.places[group as usize] = place;
            place += STEP;
            group = self.behind[group as usize];
        }
    }
}

impl Tree {
    fn needs(&self, a: u32, b: u32) -> bool {
        let (start, end) = self.spans[a as usize];
        a != b && (start..end).contains(&self.numbers[b as usize])
    }

    /// A joined group needs what either of them needed, and is needed by what needed either of them: the longer span
    /// and the later number are kept.
    fn join(&mut self, first: u32, second: u32) {
        let (first, second) = (first as usize, second as usize);
        let length = |(start, end): (u32, u32)| end - start;
        if length(self.spans[second]) > length(self.spans[first]) {
            self.spans[first] = self.spans[second];
        }
        self.numbers[first] = self.numbers[first].max(self.numbers[second]);
    }
}

impl Seen {
    fn next(&mut self) -> u32 {
        self.search += 1;
        self.search
    }
}

impl Front {
    /// Forgets what it has met, and begins at a group.
    fn begin(&mut self, group: u32) {
        self.groups.clear();
        self.groups.push(group);
        (self.number, self.neighbour) = (0, 0);
    }

    /// The next neighbour, if there is one; it is one of `groups[number]`.
    fn step(&mut self, neighbours: &[Vec<u32>]) -> Option<u32> {
        while let Some(&group) = self.groups.get(self.number) {
            if let Some(&found) = neighbours[group as usize].get(self.neighbour) {
                self.neighbour += 1;
                return Some(found);
            }
            (self.number, self.neighbour) = (self.number + 1, 0);
        }
        None
    }
}

/// Moves a group's list to the end of another one's, or that one's to the end of it, if it is longer.
fn append(lists: &mut [Vec<u32>], first: u32, second: u32) {
    let mut short = std::mem::take(&mut lists[second as usize]);
    let long = &mut lists[first as usize];
    if short.len() > long.len() {
        std::mem::swap(&mut short, long);
    }
    if !short.is_empty() {
        long.append(&mut short);
    }
}

/// What a group has become a part of.
fn whole(joined: &mut [u32], group: u32) -> u32 {
    let mut at = group;
    while joined[at as usize] != at {
        // Each step halves the path for those who ask next.
        joined[at as usize] = joined[joined[at as usize] as usize];
        at = joined[at as usize];
    }
    at
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What each group needs, directly or not: the definition.
    fn closure(needs: &[Vec<u32>], joined: &[u32]) -> Vec<Vec<bool>> {
        let mut all = vec![vec![false; needs.len()]; needs.len()];
        for group in 0..needs.len() {
            let mut open = vec![joined[group]];
            while let Some(at) = open.pop() {
                for member in (0..needs.len()).filter(|&member| joined[member] == at) {
                    for &needed in &needs[member] {
                        let needed = joined[needed as usize];
                        if needed != at && !std::mem::replace(&mut all[group][needed as usize], true) {
                            open.push(needed);
                        }
                    }
                }
            }
        }
        all
    }

    /// Random groups, of which each needs some that are mostly near, are joined at random and asked about.
    #[test]
    fn needs_are_those_of_the_definition() {
        for seed in 0..60u64 {
            let mut count = 0;
            let mut draw = |below: usize| {
                count += 1;
                kiln_rt::random::bits(seed, 0, 0, count) as usize % below
            };
            let groups = 2 + draw(40);
            let reach = 1 + draw(12);
            let mut direct: Vec<Vec<u32>> = (0..groups)
                .map(|group| {
                    let number = draw(4).min(group);
                    let far = |back: usize| (group - 1 - back % group) as u32;
                    (0..number).map(|_| if draw(8) == 0 { far(draw(groups)) } else { far(draw(reach)) }).collect()
                })
                .collect();
            let mut needs = Needs::new(direct.clone());
            let mut joined: Vec<u32> = (0..groups as u32).collect();
            for _ in 0..3 * groups {
                let alive: Vec<usize> = (0..groups).filter(|&group| joined[group] == group as u32).collect();
                let (a, b) = (alive[draw(alive.len())], alive[draw(alive.len())]);
                if a == b {
                    continue;
                }
                let all = closure(&direct, &joined);
                assert_eq!(needs.depends(a, b), all[a][b], "seed {seed}: {a} needs {b}");
                let through_a_third = |from: usize, to: usize| {
                    let members = (0..groups).filter(|&member| joined[member] == from as u32);
                    let neighbours = members.flat_map(|member| &direct[member]);
                    let thirds = neighbours.map(|&needed| joined[needed as usize] as usize);
                    thirds.filter(|&needed| needed != from && needed != to).any(|needed| all[needed][to])
                };
                let through = through_a_third(a, b);
                assert_eq!(needs.depends_through_others(a, b), through, "seed {seed}: {a} needs {b} through others");
                let back = through_a_third(b, a);
                match draw(4) {
                    0 => {
                        assert_eq!(needs.add(a, b), !all[b][a], "seed {seed}: {a} may need {b}");
                        if !all[b][a] {
                            direct[a].push(b as u32);
                        }
                    }
                    1 if !through && !back && (all[a][b] || draw(2) == 0) => {
                        needs.join(a, b);
                        joined.iter_mut().filter(|group| **group == b as u32).for_each(|group| *group = a as u32);
                    }
                    2 => needs.look_again(),
                    _ => {}
                }
            }
        }
    }

    /// A long path on which each group needs the one before it, and one far behind it whose users are on that path,
    /// too: no question takes a walk along all of it.
    #[test]
    fn questions_about_long_ways_are_short() {
        let half = 20_000u32;
        let mirror = |group: u32| 2 * half - 1 - group;
        let of = |group: u32| match group {
            0 => vec![],
            _ if group < half => vec![group - 1],
            _ => vec![group - 1, mirror(group)],
        };
        let mut needs = Needs::new((0..2 * half).map(of).collect());
        for group in half + 1..2 * half {
            assert!(needs.depends_through_others(group as usize, mirror(group) as usize));
            assert!(!needs.depends(mirror(group) as usize, group as usize));
        }
    }
}
