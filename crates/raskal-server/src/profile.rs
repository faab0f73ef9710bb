//! Samples of where Python spent its time, from all workers, for as long as they fit.
//!
//! Start at [`Profiles::add`] and [`Profiles::tree`]. Samples of one worker and ten seconds are one slice; when there are
//! too many stacks the oldest slices go.
//! Invariant: names and files are text that workers sent: they are counted and passed on, never read.

use raskal_dashboard::view::{ProfileNode, ProfileQuery};
use raskal_proto::observe::{Frame, Profile};
use raskal_types::{WorkerId, key};
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;

const SLICE_US: u64 = 10_000_000;
/// Different stacks over all slices, and different frames, that are kept.
const STACKS_MAX: usize = 200_000;
const FRAMES_MAX: usize = 50_000;
/// The frame of those that came when there were too many.
const OTHER: u32 = 0;

/// A stack: the layer's name, and frames from the outermost on.
type Stack = (Arc<str>, Box<[u32]>);

/// Samples of one worker and some seconds.
#[derive(Clone)]
struct Slice {
    worker: WorkerId,
    began_us: u64,
    stacks: HashMap<Stack, u64>,
}

/// All samples.
#[derive(Clone)]
pub(crate) struct Profiles {
    pub(crate) interval_us: u32,
    frames: Arc<Vec<Frame>>,
    known: Arc<HashMap<Frame, u32>>,
    slices: VecDeque<Arc<Slice>>,
    stacks: usize,
}

impl Default for Profiles {
    fn default() -> Profiles {
        let other = Frame { name: "(other)".into(), file: String::new(), line: 0 };
        Profiles {
            interval_us: 0,
            frames: Arc::new(vec![other]),
            known: Arc::default(),
            slices: VecDeque::new(),
            stacks: 0,
        }
    }
}

impl Profiles {
    pub(crate) fn add(&mut self, now_us: u64, worker: WorkerId, profile: Profile) {
        self.interval_us = profile.interval_us;
        let places: Vec<u32> = profile.frames.into_iter().map(|frame| self.place(frame)).collect();
        let began_us = now_us - now_us % SLICE_US;
        let current = self.slices.iter().rposition(|slice| slice.worker == worker && slice.began_us == began_us);
        let current = current.unwrap_or_else(|| {
            self.slices.push_back(Arc::new(Slice { worker, began_us, stacks: HashMap::new() }));
            self.slices.len() - 1
        });
        let Some(slice) = self.slices.get_mut(current).map(Arc::make_mut) else { return };
        let before = slice.stacks.len();
        for stack in profile.stacks {
            let frames: Option<Box<[u32]>> =
                stack.frames.iter().map(|&frame| places.get(frame as usize).copied()).collect();
            // Positions that lie name nothing.
            let Some(frames) = frames else { continue };
            *slice.stacks.entry((key::name(&stack.layer).into(), frames)).or_default() += u64::from(stack.samples);
        }
        self.stacks += slice.stacks.len() - before;
        while self.stacks > STACKS_MAX && self.slices.len() > 1 {
            self.stacks -= self.slices.pop_front().map_or(0, |slice| slice.stacks.len());
        }
    }

    fn place(&mut self, frame: Frame) -> u32 {
        if let Some(&place) = self.known.get(&frame) {
            return place;
        }
        if self.frames.len() >= FRAMES_MAX {
            return OTHER;
        }
        let place = self.frames.len() as u32;
        Arc::make_mut(&mut self.frames).push(frame.clone());
        Arc::make_mut(&mut self.known).insert(frame, place);
        place
    }

    /// The layers that there are samples of, and how many each.
    pub(crate) fn layers(&self) -> BTreeMap<Arc<str>, u64> {
        let mut layers = BTreeMap::new();
        for ((layer, _), samples) in self.slices.iter().flat_map(|slice| &slice.stacks) {
            *layers.entry(layer.clone()).or_default() += samples;
        }
        layers
    }

    /// The workers that there are samples of.
    pub(crate) fn workers(&self) -> Vec<WorkerId> {
        let mut workers: Vec<WorkerId> = self.slices.iter().map(|slice| slice.worker).collect();
        workers.sort_unstable();
        workers.dedup();
        workers
    }

    /// The samples that were asked for, as one tree.
    pub(crate) fn tree(&self, query: &ProfileQuery) -> ProfileNode {
        let mut root = Node::default();
        let wanted = |slice: &&Arc<Slice>| {
            query.worker.is_none_or(|worker| u64::from(slice.worker.0) == worker)
                && query.start_us.is_none_or(|start| slice.began_us + SLICE_US > start)
                && query.stop_us.is_none_or(|stop| slice.began_us < stop)
        };
        for ((layer, frames), &samples) in self.slices.iter().filter(wanted).flat_map(|slice| &slice.stacks) {
            if query.layer.as_deref().is_some_and(|wanted| wanted != &**layer) {
                continue;
            }
            let mut node = &mut root;
            node.samples += samples;
            for &frame in frames {
                node = node.children.entry(frame).or_default();
                node.samples += samples;
            }
        }
        let name = Frame { name: "root".into(), file: String::new(), line: 0 };
        root.named(&name, &self.frames)
    }
}

#[derive(Default)]
struct Node {
    samples: u64,
    children: HashMap<u32, Node>,
}

impl Node {
    fn named(self, frame: &Frame, frames: &[Frame]) -> ProfileNode {
        let mut children: Vec<ProfileNode> =
            self.children.into_iter().map(|(place, child)| child.named(&frames[place as usize], frames)).collect();
        children.sort_unstable_by(|a, b| b.samples.cmp(&a.samples).then_with(|| a.name.cmp(&b.name)));
        let Frame { name, file, line } = frame.clone();
        ProfileNode { name, file, line, samples: self.samples, children }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use raskal_proto::observe::Stack as Seen;

    fn profile(layer: &str, stacks: &[(&[u32], u32)]) -> Profile {
        let frame = |name: &str| Frame { name: name.into(), file: "f.py".into(), line: 1 };
        let seen = |&(frames, samples): &(&[u32], u32)| Seen { layer: layer.into(), frames: frames.into(), samples };
        Profile {
            interval_us: 10_000,
            frames: vec![frame("outer"), frame("inner"), frame("leaf")],
            stacks: stacks.iter().map(seen).collect(),
        }
    }

    #[test]
    fn samples_of_workers_and_layers_merge_into_one_tree() {
        let mut profiles = Profiles::default();
        profiles.add(5, WorkerId(1), profile("load-0123456789abcdef0123456789abcdef", &[(&[0, 1], 3), (&[0, 2], 1)]));
        profiles.add(6, WorkerId(2), profile("sum", &[(&[0, 1], 4)]));
        let tree = profiles.tree(&ProfileQuery::default());
        assert_eq!((tree.samples, tree.children.len()), (8, 1));
        let calls: Vec<_> = tree.children[0].children.iter().map(|node| (node.name.as_str(), node.samples)).collect();
        assert_eq!(calls, [("inner", 7), ("leaf", 1)]);
        let of = |query| profiles.tree(&query).samples;
        assert_eq!(of(ProfileQuery { worker: Some(2), ..Default::default() }), 4);
        assert_eq!(of(ProfileQuery { layer: Some("load".into()), ..Default::default() }), 4);
        assert_eq!(of(ProfileQuery { start_us: Some(2 * SLICE_US), ..Default::default() }), 0);
        assert_eq!(profiles.layers().into_values().sum::<u64>(), 8);
    }

    #[test]
    fn positions_that_lie_are_left_out_and_old_slices_go() {
        let mut profiles = Profiles::default();
        profiles.add(1, WorkerId(1), profile("x", &[(&[7], 3)]));
        assert_eq!(profiles.tree(&ProfileQuery::default()).samples, 0);
        for second in 0..30u64 {
            let stacks: Vec<Vec<u32>> = (0..10_000).map(|n: u32| (0..16).map(|bit| (n >> bit) & 1).collect()).collect();
            let seen: Vec<(&[u32], u32)> = stacks.iter().map(|stack| (stack.as_slice(), 1)).collect();
            profiles.add(second * SLICE_US, WorkerId(1), profile("x", &seen));
        }
        assert!(profiles.stacks <= STACKS_MAX && profiles.slices.len() == 20, "{}", profiles.slices.len());
    }
}
