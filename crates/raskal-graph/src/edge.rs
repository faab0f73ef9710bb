//! Dependency formulas between two layers, forwards and backwards.
//!
//! Start at [`EdgeMap`]. Invariant: `successors` is the exact inverse of `predecessors`, with the same multiplicity
//! (a task that takes an input twice is listed twice both ways); a property test below checks it for every kind.

use crate::layer::{LayerId, coordinates, index};
use bitcode::{Decode, Encode};
use raskal_types::key::tuple;

/// One dependency of a layer on an earlier one.
#[derive(Clone, Debug, Encode, Decode)]
pub struct Edge {
    /// The earlier layer.
    pub source: LayerId,
    /// Which of its tasks each task needs.
    pub map: EdgeMap,
}

/// Which tasks of the source layer a task needs.
#[derive(Clone, Debug, Encode, Decode)]
pub enum EdgeMap {
    /// The task of the same index. Both layers have the same number of tasks.
    OneToOne,
    /// For each axis of the source, where its coordinate comes from.
    BlockMap {
        /// One entry per axis of the source.
        axes: Vec<Axis>,
    },
    /// Along each axis the tasks `o * group .. min((o + 1) * group, n)`. Both layers have the same number of axes.
    Tree {
        /// Group length along each axis; 1 keeps the coordinate.
        group: Vec<u32>,
    },
    /// All tasks of the source.
    All,
    /// Along each axis of the source a stretch of coordinates that the task's own choose from a table: rechunking, overlap,
    /// joined neighbours, concatenation. A table has as many entries as there are tasks along an axis, not in the grid.
    Stretches {
        /// One entry per axis of the source.
        axes: Vec<Stretch>,
    },
    /// The task before along an axis of the same layer, none for the first (running results).
    Previous {
        /// The axis.
        axis: u32,
    },
    /// A stored list per task; the numbers are indices in the source layer.
    Explicit(Csr),
}

/// Where a source coordinate comes from in [`EdgeMap::BlockMap`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Axis {
    /// The task's own coordinate along this axis.
    Same(u32),
    /// The task's own coordinate along this axis, moved: source = own + offset.
    Moved(u32, i32),
    /// Always this coordinate (0 for an axis that is broadcast).
    Fixed(u32),
    /// Every coordinate (an axis that is contracted).
    Every,
}

/// Which coordinates along an axis of the source a task needs in [`EdgeMap::Stretches`].
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Stretch {
    /// The own axis whose coordinate chooses among `ranges`; without one, `ranges` has one entry, which is everybody's.
    pub along: Option<u32>,
    /// From where to where (exclusive). Neither beginnings nor ends go back.
    pub ranges: Vec<(u32, u32)>,
}

impl Stretch {
    /// A stretch that the coordinate along an own axis chooses.
    pub fn along(axis: u32, ranges: impl IntoIterator<Item = (u32, u32)>) -> Stretch {
        Stretch { along: Some(axis), ranges: ranges.into_iter().collect() }
    }

    /// The neighbours up to `before` and `after` places away along an axis of `extent`, and the place itself.
    ///
    /// ```
    /// use raskal_graph::Stretch;
    /// assert_eq!(Stretch::around(0, 4, 1, 1).ranges, [(0, 2), (0, 3), (1, 4), (2, 4)]);
    /// ```
    pub fn around(axis: u32, extent: u32, before: u32, after: u32) -> Stretch {
        let near = |at: u32| (at.saturating_sub(before), at.saturating_add(after + 1).min(extent));
        Stretch::along(axis, (0..extent).map(near))
    }

    /// What does not fit a layer of grid `shape` on an axis of `extent`, if anything.
    pub(crate) fn problem(&self, shape: &[u32], extent: u32) -> Option<&'static str> {
        let chosen_by = match self.along {
            None => Some(1),
            Some(axis) => shape.get(axis as usize).copied(),
        };
        let ordered = self.ranges.windows(2).all(|pair| pair[0].0 <= pair[1].0 && pair[0].1 <= pair[1].1);
        match chosen_by {
            None => Some("a stretch is chosen by an axis that the layer does not have"),
            Some(count) if self.ranges.len() != count as usize => {
                Some("a stretch needs one range per task along its axis")
            }
            Some(_) if self.ranges.iter().any(|&(from, to)| from > to || to > extent) => Some(BEYOND),
            Some(_) if !ordered => Some("the ranges of a stretch must not go back"),
            Some(_) => None,
        }
    }

    fn range(&self, own: &[u32]) -> (u32, u32) {
        self.ranges[self.along.map_or(0, |axis| own[axis as usize] as usize)]
    }

    /// The places in `ranges` of those that hold `coordinate`, from where to where.
    fn holding(&self, coordinate: u32) -> (u32, u32) {
        let from = self.ranges.partition_point(|range| range.1 <= coordinate);
        let to = self.ranges.partition_point(|range| range.0 <= coordinate);
        (from as u32, to.max(from) as u32)
    }
}

/// What is wrong with a formula that leads out of the source's grid.
pub(crate) const BEYOND: &str = "it reaches beyond the grid of the source";

/// Lists of numbers, one after the other (compressed sparse rows).
#[derive(Clone, Debug, Default, PartialEq, Encode, Decode)]
pub struct Csr {
    /// Where each row starts in `targets`; one entry more than there are rows.
    pub offsets: Vec<u32>,
    /// The rows, joined.
    pub targets: Vec<u32>,
}

impl Csr {
    /// The lists of `rows`.
    pub fn from_rows<'a>(rows: impl IntoIterator<Item = &'a [u32]>) -> Csr {
        let mut csr = Csr { offsets: vec![0], targets: Vec::new() };
        for row in rows {
            csr.push(row);
        }
        csr
    }

    /// Adds a row behind the others.
    pub fn push(&mut self, row: &[u32]) {
        if self.offsets.is_empty() {
            self.offsets.push(0);
        }
        self.targets.extend_from_slice(row);
        self.offsets.push(self.targets.len() as u32);
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.offsets.len().saturating_sub(1)
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The list of one row.
    pub fn row(&self, row: u32) -> &[u32] {
        &self.targets[self.offsets[row as usize] as usize..self.offsets[row as usize + 1] as usize]
    }

    /// Who lists whom, turned round, over `columns` targets.
    pub fn transposed(&self, columns: usize) -> Csr {
        let mut offsets = vec![0u32; columns + 1];
        for &target in &self.targets {
            offsets[target as usize + 1] += 1;
        }
        for column in 0..columns {
            offsets[column + 1] += offsets[column];
        }
        let mut next = offsets.clone();
        let mut targets = vec![0u32; self.targets.len()];
        for row in 0..self.len() as u32 {
            for &target in self.row(row) {
                targets[next[target as usize] as usize] = row;
                next[target as usize] += 1;
            }
        }
        Csr { offsets, targets }
    }
}

impl Edge {
    /// A dependency on `source` by the formula `map`.
    pub fn new(source: LayerId, map: EdgeMap) -> Edge {
        Edge { source, map }
    }
}

/// Calls `visit` with the row-major index of each point of the box `ranges` in a grid of `shape`, in order.
fn for_each_in_box(shape: &[u32], ranges: &[(u32, u32)], visit: &mut impl FnMut(u32)) {
    if ranges.iter().any(|(from, to)| from >= to) {
        return;
    }
    let mut point: Vec<u32> = ranges.iter().map(|range| range.0).collect();
    loop {
        visit(index(shape, &point));
        let mut axis = shape.len();
        loop {
            if axis == 0 {
                return;
            }
            axis -= 1;
            point[axis] += 1;
            if point[axis] < ranges[axis].1 {
                break;
            }
            point[axis] = ranges[axis].0;
        }
    }
}

impl EdgeMap {
    /// Calls `visit` with each task of the source (grid `source`) that the task `own` (of grid `shape`) needs.
    pub fn predecessors(&self, shape: &[u32], own: u32, source: &[u32], mut visit: impl FnMut(u32)) {
        match self {
            EdgeMap::OneToOne => visit(own),
            EdgeMap::All => (0..source.iter().product()).for_each(visit),
            EdgeMap::Explicit(csr) => csr.row(own).iter().copied().for_each(visit),
            EdgeMap::BlockMap { axes } => {
                let own = coordinates(shape, own);
                let ranges: Vec<(u32, u32)> = axes
                    .iter()
                    .zip(source)
                    .map(|(axis, &extent)| match *axis {
                        Axis::Same(from) => (own[from as usize], own[from as usize] + 1),
                        Axis::Moved(from, offset) => {
                            let moved = own[from as usize].wrapping_add_signed(offset);
                            (moved, moved + 1)
                        }
                        Axis::Fixed(coordinate) => (coordinate, coordinate + 1),
                        Axis::Every => (0, extent),
                    })
                    .collect();
                for_each_in_box(source, &ranges, &mut visit);
            }
            EdgeMap::Stretches { axes } => {
                let own = coordinates(shape, own);
                let ranges: Vec<(u32, u32)> = axes.iter().map(|stretch| stretch.range(&own)).collect();
                for_each_in_box(source, &ranges, &mut visit);
            }
            EdgeMap::Previous { axis } => {
                let mut before = coordinates(shape, own);
                if let Some(coordinate) = before[*axis as usize].checked_sub(1) {
                    before[*axis as usize] = coordinate;
                    visit(index(shape, &before));
                }
            }
            EdgeMap::Tree { group } => {
                let own = coordinates(shape, own);
                let ranges: Vec<(u32, u32)> = own
                    .iter()
                    .zip(group)
                    .zip(source)
                    .map(|((&own, &group), &extent)| (own * group, ((own + 1) * group).min(extent)))
                    .collect();
                for_each_in_box(source, &ranges, &mut visit);
            }
        }
    }

    /// Calls `visit` with each task of the layer (grid `shape`) that needs the task `own` of the source (grid `source`).
    ///
    /// `transposed` is the turned-round list of an [`EdgeMap::Explicit`]; the other kinds do not read it.
    pub fn successors(
        &self,
        shape: &[u32],
        source: &[u32],
        own: u32,
        transposed: Option<&Csr>,
        mut visit: impl FnMut(u32),
    ) {
        match self {
            EdgeMap::OneToOne => visit(own),
            EdgeMap::All => (0..shape.iter().product()).for_each(visit),
            EdgeMap::Explicit(_) => {
                transposed.expect("an explicit edge was turned round").row(own).iter().copied().for_each(visit)
            }
            EdgeMap::BlockMap { axes } => {
                let own = coordinates(source, own);
                let mut ranges: Vec<(u32, u32)> = shape.iter().map(|&extent| (0, extent)).collect();
                for (axis, &own) in axes.iter().zip(&own) {
                    let (to, wanted) = match *axis {
                        Axis::Same(to) => (to, i64::from(own)),
                        Axis::Moved(to, offset) => (to, i64::from(own) - i64::from(offset)),
                        Axis::Fixed(coordinate) if coordinate == own => continue,
                        Axis::Fixed(_) => return,
                        Axis::Every => continue,
                    };
                    let range = &mut ranges[to as usize];
                    if wanted < i64::from(range.0) || wanted >= i64::from(range.1) {
                        return;
                    }
                    *range = (wanted as u32, wanted as u32 + 1);
                }
                for_each_in_box(shape, &ranges, &mut visit);
            }
            EdgeMap::Stretches { axes } => {
                let own = coordinates(source, own);
                let mut ranges: Vec<(u32, u32)> = shape.iter().map(|&extent| (0, extent)).collect();
                for (stretch, &own) in axes.iter().zip(&own) {
                    let (from, to) = stretch.holding(own);
                    match stretch.along {
                        Some(axis) => {
                            let range = &mut ranges[axis as usize];
                            *range = (range.0.max(from), range.1.min(to));
                        }
                        None if from == to => return,
                        None => {}
                    }
                }
                for_each_in_box(shape, &ranges, &mut visit);
            }
            EdgeMap::Previous { axis } => {
                let mut after = coordinates(shape, own);
                after[*axis as usize] += 1;
                if after[*axis as usize] < shape[*axis as usize] {
                    visit(index(shape, &after));
                }
            }
            EdgeMap::Tree { group } => {
                let own: Vec<u32> =
                    coordinates(source, own).iter().zip(group).map(|(&own, &group)| own / group).collect();
                visit(index(shape, &own));
            }
        }
    }

    /// The formula in words, for `explain()`; `what` is what a task makes ("block"). Axes are named i, j, k...
    ///
    /// ```
    /// use raskal_graph::{Axis, EdgeMap};
    /// let map = EdgeMap::BlockMap { axes: vec![Axis::Same(1), Axis::Every, Axis::Moved(0, 2)] };
    /// assert_eq!(map.describe("block"), "block (j, *, i+2)");
    /// ```
    pub fn describe(&self, what: &str) -> String {
        let name = |axis: u32| char::from_u32('i' as u32 + axis).filter(|_| axis < 18).unwrap_or('?');
        match self {
            EdgeMap::OneToOne => format!("{what} by {what}"),
            EdgeMap::All => format!("all {what}s"),
            EdgeMap::Tree { group } => format!("groups of {} {what}s", tuple(group)),
            EdgeMap::Explicit(rows) => format!("{} listed dependencies", rows.targets.len()),
            EdgeMap::Previous { axis } => format!("the {what} before along {}", name(*axis)),
            EdgeMap::Stretches { axes } => {
                let axes = axes.iter().map(|stretch| match (stretch.along, stretch.ranges.first()) {
                    (Some(axis), _) => format!("near {}", name(axis)),
                    (None, Some((from, to))) => format!("{from}..{to}"),
                    (None, None) => "none".into(),
                });
                format!("{what}s {}", tuple(axes))
            }
            EdgeMap::BlockMap { axes } => {
                let axes = axes.iter().map(|axis| match axis {
                    Axis::Same(axis) => format!("{}", name(*axis)),
                    Axis::Moved(axis, offset) => format!("{}{offset:+}", name(*axis)),
                    Axis::Fixed(place) => format!("{place}"),
                    Axis::Every => "*".into(),
                });
                format!("{what} {}", tuple(axes))
            }
        }
    }

    /// Whether every task needs exactly one task of the source, whatever the shapes.
    pub fn is_single(&self) -> bool {
        match self {
            EdgeMap::OneToOne => true,
            EdgeMap::BlockMap { axes } => !axes.contains(&Axis::Every),
            EdgeMap::Tree { .. }
            | EdgeMap::All
            | EdgeMap::Explicit(_)
            | EdgeMap::Stretches { .. }
            | EdgeMap::Previous { .. } => false,
        }
    }

    /// Number of tasks of the source (grid `source`) that the task `own` (of grid `shape`) needs.
    pub fn count(&self, shape: &[u32], own: u32, source: &[u32]) -> u32 {
        match self {
            EdgeMap::OneToOne => 1,
            EdgeMap::All => source.iter().product(),
            EdgeMap::Explicit(csr) => csr.row(own).len() as u32,
            EdgeMap::BlockMap { axes } => {
                axes.iter().zip(source).map(|(axis, &extent)| if *axis == Axis::Every { extent } else { 1 }).product()
            }
            EdgeMap::Stretches { axes } => {
                let own = coordinates(shape, own);
                let length = |stretch: &Stretch| stretch.range(&own).1 - stretch.range(&own).0;
                axes.iter().map(length).product()
            }
            EdgeMap::Tree { .. } | EdgeMap::Previous { .. } => {
                let mut count = 0;
                self.predecessors(shape, own, source, |_| count += 1);
                count
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// An extent, and ranges in it that do not go back.
    fn stretches() -> impl Strategy<Value = (u32, Vec<(u32, u32)>)> {
        (1u32..6, prop::collection::vec((0u32..3, 0u32..3), 1..5)).prop_map(|(extent, steps)| {
            let (mut from, mut to) = (0, 0);
            let range = |(by, length): (u32, u32)| {
                from = (from + by).min(extent);
                to = (from + length).clamp(from.max(to), extent.max(to));
                (from, to)
            };
            (extent, steps.into_iter().map(range).collect())
        })
    }

    /// A source grid, a grid and a formula that fits them.
    fn cases() -> impl Strategy<Value = (Vec<u32>, Vec<u32>, EdgeMap)> {
        let extent = 1u32..5;
        let grid = prop::collection::vec(extent.clone(), 0..3);
        prop_oneof![
            grid.clone().prop_map(|grid| (grid.clone(), grid, EdgeMap::OneToOne)),
            (grid.clone(), grid.clone()).prop_map(|(source, shape)| (source, shape, EdgeMap::All)),
            prop::collection::vec((extent.clone(), 1u32..4), 0..3).prop_map(|axes| {
                let source = axes.iter().map(|axis| axis.0).collect();
                let shape = axes.iter().map(|axis| axis.0.div_ceil(axis.1)).collect();
                (source, shape, EdgeMap::Tree { group: axes.iter().map(|axis| axis.1).collect() })
            }),
            (extent.clone(), extent.clone(), extent.clone()).prop_map(|(i, k, j)| {
                (vec![i, k], vec![i, j], EdgeMap::BlockMap { axes: vec![Axis::Same(0), Axis::Every] })
            }),
            (extent.clone(), extent.clone()).prop_map(|(i, j)| {
                (
                    vec![1, j, i + 2],
                    vec![i, j],
                    EdgeMap::BlockMap { axes: vec![Axis::Fixed(0), Axis::Same(1), Axis::Moved(0, 2)] },
                )
            }),
            (grid.clone(), any::<prop::sample::Index>()).prop_filter_map("an axis", |(grid, axis)| {
                let axis = (!grid.is_empty()).then(|| axis.index(grid.len()) as u32)?;
                Some((grid.clone(), grid, EdgeMap::Previous { axis }))
            }),
            (extent.clone(), stretches(), stretches(), 0u32..3).prop_map(|(j, (n, first), (m, second), at)| {
                let fixed = Stretch { along: None, ranges: vec![(at, at + 1)] };
                let shape = vec![j, first.len() as u32, second.len() as u32];
                let axes = vec![Stretch::along(1, first), fixed, Stretch::along(2, second)];
                (vec![n, at + 2, m], shape, EdgeMap::Stretches { axes })
            }),
            (1u32..6, prop::collection::vec(prop::collection::vec(0u32..6, 0..4), 1..6)).prop_map(|(extent, rows)| {
                let rows: Vec<Vec<u32>> =
                    rows.into_iter().map(|row| row.into_iter().map(|n| n % extent).collect()).collect();
                (
                    vec![extent],
                    vec![rows.len() as u32],
                    EdgeMap::Explicit(Csr::from_rows(rows.iter().map(Vec::as_slice))),
                )
            }),
        ]
    }

    proptest! {
        #[test]
        fn successors_are_the_inverse_of_predecessors((source, shape, map) in cases()) {
            let mut forward = Vec::new();
            for own in 0..shape.iter().product::<u32>() {
                let before = forward.len();
                map.predecessors(&shape, own, &source, |needed| forward.push((needed, own)));
                prop_assert_eq!(map.count(&shape, own, &source) as usize, forward.len() - before);
            }
            let transposed = if let EdgeMap::Explicit(csr) = &map { Some(csr.transposed(source.iter().product::<u32>() as usize)) } else { None };
            let mut backward = Vec::new();
            for own in 0..source.iter().product::<u32>() {
                map.successors(&shape, &source, own, transposed.as_ref(), |user| backward.push((own, user)));
            }
            forward.sort_unstable();
            backward.sort_unstable();
            prop_assert_eq!(forward, backward);
        }
    }
}
