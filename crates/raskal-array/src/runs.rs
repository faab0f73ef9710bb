//! Lists of elements along an axis, written down as runs of equal distance.
//!
//! Start at [`Run`]. A list of a million neighbours is one run; one without any order is a run per element or two.

/// The elements `start`, `start + step`, ...; `step` is never 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Run {
    /// First element.
    pub start: usize,
    /// Distance between elements, negative to go backwards.
    pub step: i64,
    /// Number of elements.
    pub count: usize,
}

impl Run {
    /// The runs that list `indices`.
    pub fn compress(indices: Vec<usize>) -> Vec<Run> {
        let mut runs: Vec<Run> = Vec::new();
        for index in indices {
            if let Some(last) = runs.last_mut() {
                let distance = index as i64 - last.start as i64;
                if last.count == 1 && distance != 0 {
                    (last.step, last.count) = (distance, 2);
                    continue;
                }
                if last.count > 1 && distance == last.step * last.count as i64 {
                    last.count += 1;
                    continue;
                }
            }
            runs.push(Run { start: index, step: 1, count: 1 });
        }
        runs
    }

    /// What is left of the run after its first `count` elements.
    pub fn after(self, count: usize) -> Option<Run> {
        let left = self.count.checked_sub(count).filter(|&left| left > 0)?;
        let start = (self.start as i64 + self.step * count as i64) as usize;
        Some(Run { start, step: self.step, count: left })
    }

    /// An element of the run that an axis of `length` does not have.
    pub fn outside(self, length: usize) -> Option<i64> {
        let ends = [self.start as i64, self.start as i64 + self.step * (self.count as i64 - 1)];
        ends.into_iter().find(|&end| self.count > 0 && !(0..length as i64).contains(&end))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn runs_list_what_they_were_made_of(indices in prop::collection::vec(0usize..20, 0..30)) {
            let mut listed = Vec::new();
            for run in Run::compress(indices.clone()) {
                prop_assert_eq!(run.outside(20), None);
                let mut rest = Some(run);
                while let Some(run) = rest {
                    listed.push(run.start);
                    rest = run.after(1);
                }
            }
            prop_assert_eq!(listed, indices);
        }
    }
}
