//! Bytes that are no messages: whatever comes, reading it ends, with messages or an error, and allocates in proportion to
//! what came.

use proptest::prelude::*;
use raskal_graph::{Graph, Layer};
use raskal_proto::client::Submit;
use raskal_proto::worker::Inventory;
use raskal_proto::{DataRequest, FromClient, FromExecutor, FromWorker, Ran, ToClient, ToExecutor, ToWorker};
use raskal_types::{Attempt, GraphId, TaskId, WorkerId};

/// Reads bytes as every kind of message that comes from outside.
fn read(bytes: &[u8]) {
    let _ = bitcode::decode::<Vec<FromClient>>(bytes);
    let _ = bitcode::decode::<Vec<FromWorker>>(bytes);
    let _ = bitcode::decode::<Vec<ToWorker>>(bytes);
    let _ = bitcode::decode::<Vec<ToClient>>(bytes);
    let _ = bitcode::decode::<Vec<FromExecutor>>(bytes);
    let _ = bitcode::decode::<Vec<ToExecutor>>(bytes);
    let _ = bitcode::decode::<DataRequest>(bytes);
    if let Ok(messages) = bitcode::decode::<Vec<FromClient>>(bytes) {
        for message in messages {
            // What a scheduler does with a graph before it believes it.
            if let FromClient::Submit(submit) = message {
                let _ = Graph::from_parts(submit.layers);
            }
        }
    }
}

/// Messages as they are.
fn real() -> Vec<Vec<u8>> {
    let mut graph = Graph::new();
    graph.add(Layer::new("load-1", vec![3, 4])).unwrap();
    let task = TaskId { graph: GraphId(1), index: 2 };
    let submit = Submit {
        graph: GraphId(1),
        layers: graph.to_parts(),
        functions: vec![],
        imports: vec![(0, task)],
        wanted: vec![1, 2],
    };
    let finished = FromWorker::Finished {
        task,
        attempt: Attempt(1),
        size_bytes: 28,
        ran: Ran::default(),
        inline: Some(vec![1, 2, 3]),
    };
    let inventory = Inventory {
        info: Default::default(),
        before: WorkerId(1),
        values: vec![(task, 100, Some(vec![1]))],
        running: vec![(task, Attempt(2))],
    };
    vec![
        bitcode::encode(&vec![FromClient::Submit(Box::new(submit)), FromClient::MoreGraphs]),
        bitcode::encode(&vec![finished, FromWorker::Rejoin(Box::new(inventory))]),
        bitcode::encode(&vec![ToWorker::Copy { task, from: WorkerId(9) }, ToWorker::Free { task }]),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn garbage_is_an_error_and_nothing_worse(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        read(&bytes);
    }

    #[test]
    fn messages_that_were_cut_or_changed_are_read_without_harm(
        which in 0usize..3,
        cut in 0usize..400,
        changes in prop::collection::vec((0usize..400, any::<u8>()), 0..6),
    ) {
        let mut bytes = real().swap_remove(which);
        bytes.truncate(bytes.len().saturating_sub(cut % (bytes.len() + 1)));
        for (at, byte) in changes {
            let length = bytes.len().max(1);
            if let Some(place) = bytes.get_mut(at % length) {
                *place ^= byte;
            }
        }
        read(&bytes);
    }
}
