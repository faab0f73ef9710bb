//! The function of a layer, as it travels.

use bitcode::{Decode, Encode};

/// The function of one layer as bytes, with the parts that single tasks need beside it.
#[derive(Clone, Debug, Default, PartialEq, Encode, Decode)]
pub struct FunctionMessage {
    /// Which decoder reads it.
    pub codec: String,
    /// What all tasks of the layer share; sent once to each worker that runs one of them.
    pub shared: Vec<u8>,
    /// Where each task's bytes start in `payloads`; one entry more than there are tasks, or none at all.
    pub offsets: Vec<u64>,
    /// All tasks' bytes.
    pub payloads: Vec<u8>,
    /// What people call the tasks, where that differs from the layer's name.
    pub names: TaskNames,
}

/// Names of the tasks of one layer.
#[derive(Clone, Debug, Default, PartialEq, Encode, Decode)]
pub struct TaskNames {
    /// The names that occur.
    pub names: Vec<String>,
    /// Which of them each task has; empty if all have the first.
    pub name_of: Vec<u32>,
    /// The keys that users gave the tasks, an empty one where they gave none; empty if they gave none at all.
    pub keys: Vec<String>,
}

impl TaskNames {
    /// The key that its user gave a task.
    pub fn key(&self, index: u32) -> Option<&str> {
        self.keys.get(index as usize).map(String::as_str).filter(|key| !key.is_empty())
    }

    /// The name of one task, if it has one of its own.
    pub fn get(&self, index: u32) -> Option<&str> {
        let place = if self.name_of.is_empty() { 0 } else { *self.name_of.get(index as usize)? };
        self.names.get(place as usize).map(String::as_str)
    }
}

impl FunctionMessage {
    /// The bytes of one task; empty if there are none.
    pub fn payload(&self, index: u32) -> &[u8] {
        let at = |index: usize| self.offsets.get(index).and_then(|&offset| usize::try_from(offset).ok());
        let range = at(index as usize).zip(at(index as usize + 1));
        range.and_then(|(from, to)| self.payloads.get(from..to)).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::{FunctionMessage, TaskNames};

    #[test]
    fn a_task_without_payload_gets_no_bytes() {
        assert!(FunctionMessage::default().payload(3).is_empty());
    }

    #[test]
    fn names_are_found_and_lies_about_them_are_no_names() {
        let names = TaskNames {
            names: vec!["inc".into(), "add".into()],
            name_of: vec![0, 1, 9],
            keys: vec!["a".into(), String::new()],
        };
        assert_eq!((names.key(0), names.key(1), names.key(2)), (Some("a"), None, None));
        assert_eq!([0, 1, 2, 3].map(|index| names.get(index)), [Some("inc"), Some("add"), None, None]);
        assert_eq!(TaskNames { names: vec!["inc".into()], ..TaskNames::default() }.get(7), Some("inc"));
        assert_eq!(TaskNames::default().get(0), None);
    }

    #[test]
    fn offsets_that_lie_give_no_bytes() {
        let function =
            FunctionMessage { offsets: vec![0, 2, 9, 1], payloads: vec![1, 2, 3], ..FunctionMessage::default() };
        assert_eq!(function.payload(0), [1, 2]);
        assert!(function.payload(1).is_empty() && function.payload(2).is_empty());
    }
}
