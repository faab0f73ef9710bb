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
    use super::FunctionMessage;

    #[test]
    fn a_task_without_payload_gets_no_bytes() {
        assert!(FunctionMessage::default().payload(3).is_empty());
    }

    #[test]
    fn offsets_that_lie_give_no_bytes() {
        let function =
            FunctionMessage { offsets: vec![0, 2, 9, 1], payloads: vec![1, 2, 3], ..FunctionMessage::default() };
        assert_eq!(function.payload(0), [1, 2]);
        assert!(function.payload(1).is_empty() && function.payload(2).is_empty());
    }
}
