//! Every kind of message comes out as it went in, alone and in company.

use proptest::prelude::*;
use raskal_proto::client::{Answer, ClusterInfo, Question, Submit, WorkerInfo};
use raskal_proto::observe::Vitals;
use raskal_proto::{
    DataRequest, FailureMessage, FromClient, FromExecutor, FromWorker, FunctionMessage, InputFrom, Observation, Ran,
    ToClient, ToExecutor, ToWorker,
};
use raskal_types::{Attempt, ClientId, ErrorKind, GraphId, SlotClass, TaskId, WorkerId};

fn again<M: bitcode::Encode + bitcode::DecodeOwned + std::fmt::Debug>(messages: &Vec<M>) {
    let read: Vec<M> = bitcode::decode(&bitcode::encode(messages)).unwrap();
    assert_eq!(format!("{read:?}"), format!("{messages:?}"));
}

fn tasks() -> impl Strategy<Value = TaskId> {
    (any::<u32>(), any::<u32>()).prop_map(|(graph, index)| TaskId { graph: GraphId(graph), index })
}

fn bytes() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(any::<u8>(), 0..40)
}

fn from_worker() -> impl Strategy<Value = FromWorker> {
    let attempt = any::<u32>().prop_map(Attempt);
    prop_oneof![
        (tasks(), attempt.clone(), any::<u64>(), any::<u32>(), prop::option::of(bytes())).prop_map(
            |(task, attempt, size_bytes, duration_us, inline)| FromWorker::Finished {
                task,
                attempt,
                size_bytes,
                ran: Ran { began_us: size_bytes, duration_us, thread: 3 },
                inline
            }
        ),
        (tasks(), attempt.clone(), any::<bool>(), ".{0,9}").prop_map(|(task, attempt, died, text)| {
            FromWorker::Failed { task, attempt, died, failure: FailureMessage::new(ErrorKind::User, text) }
        }),
        (tasks(), attempt, tasks(), any::<u32>()).prop_map(|(task, attempt, input, holder)| FromWorker::InputMissing {
            task,
            attempt,
            input,
            holder: WorkerId(holder)
        }),
        any::<u64>()
            .prop_map(|now_us| FromWorker::Observed(Observation::Vitals(Vitals { now_us, ..Vitals::default() }))),
        tasks().prop_map(|task| FromWorker::Copied { task }),
        tasks().prop_map(|task| FromWorker::Dropped { task }),
    ]
}

fn inputs() -> impl Strategy<Value = (TaskId, InputFrom)> {
    let from = prop_oneof![
        Just(InputFrom::Here),
        any::<u32>().prop_map(|peer| InputFrom::Peer(WorkerId(peer))),
        bytes().prop_map(InputFrom::Inline)
    ];
    (tasks(), from)
}

proptest! {
    #[test]
    fn what_workers_say_survives_the_wire(messages in prop::collection::vec(from_worker(), 0..20)) {
        again(&messages);
    }

    #[test]
    fn what_workers_are_told_survives_the_wire(
        runs in prop::collection::vec((tasks(), any::<u32>(), bytes(), prop::collection::vec(inputs(), 0..4)), 0..20),
    ) {
        let run = |(task, number, payload, inputs)| ToWorker::Run {
            task, attempt: Attempt(number), layer: number, index: number, payload, inputs,
        };
        again(&runs.into_iter().map(run).collect());
    }

    #[test]
    fn garbage_is_refused_and_never_panics(garbage in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = bitcode::decode::<Vec<FromWorker>>(&garbage);
        let _ = bitcode::decode::<Vec<FromClient>>(&garbage);
        let _ = bitcode::decode::<Vec<ToWorker>>(&garbage);
        let _ = bitcode::decode::<Vec<FromExecutor>>(&garbage);
        let _ = bitcode::decode::<DataRequest>(&garbage);
    }
}

#[test]
fn the_rarer_messages_survive_the_wire() {
    let task = TaskId { graph: GraphId(1), index: 2 };
    let function = FunctionMessage {
        codec: "x".into(),
        shared: vec![1],
        offsets: vec![0, 1],
        payloads: vec![9],
        ..Default::default()
    };
    let mut graph = raskal_graph::Graph::new();
    graph.add(raskal_graph::Layer::new("load", vec![2])).unwrap();
    again(&vec![
        FromClient::Hello { name: "me".into(), session: 1 << 100 },
        FromClient::Resume { session: 7 },
        FromClient::Recall { tasks: vec![TaskId { graph: GraphId(1), index: 2 }] },
        FromClient::Submit(Box::new(Submit {
            graph: GraphId(3),
            layers: graph.to_parts(),
            functions: vec![function.clone()],
            imports: vec![(0, task)],
            wanted: vec![1],
        })),
        FromClient::Release { tasks: vec![task] },
        FromClient::Cancel { graph: GraphId(3) },
        FromClient::MoreGraphs,
        FromClient::Ask { request: 1, question: Question::WhoHas(vec![task]) },
    ]);
    again(&vec![
        ToClient::Welcome { client: ClientId(1), dashboard: Some("http://x".into()), lasting: true },
        ToClient::Accepted { graph: GraphId(3) },
        ToClient::Restarted,
        ToClient::Forgotten,
        ToClient::Ended,
        ToClient::Graphs { first: 0, count: 10 },
        ToClient::Finished { task, source: task, holder: WorkerId(1), size_bytes: 3, inline: Some(vec![1]) },
        ToClient::Failed { tasks: vec![task], failure: FailureMessage::new(ErrorKind::Killed, "dead") },
        ToClient::Workers { joined: vec![WorkerInfo::default()], left: vec![WorkerId(4)] },
        ToClient::Answer { request: 1, answer: Answer::Info(ClusterInfo::default()) },
    ]);
    again(&vec![
        ToWorker::Welcome { worker: WorkerId(0), lasting: false },
        ToWorker::Leave { reason: "it ends".into() },
        ToWorker::Restart,
        ToWorker::Peers { joined: vec![(WorkerId(1), "tls://x:1".into())], left: vec![WorkerId(2)] },
        ToWorker::Function {
            graph: GraphId(0),
            layer: 1,
            prefix: "sum".into(),
            shape: vec![2, 3],
            class: SlotClass::Native,
            function,
        },
        ToWorker::Abandon { task, attempt: Attempt(1) },
        ToWorker::Free { task },
        ToWorker::Forget { graph: GraphId(0) },
        ToWorker::Retire { reason: "too old".into() },
    ]);
    again(&vec![ToExecutor::Export { task }, ToExecutor::Free { task }, ToExecutor::Stop]);
    again(&vec![
        FromExecutor::Ready,
        FromExecutor::Taken { loan: 7 },
        FromExecutor::Abandoned { task, attempt: Attempt(2) },
        FromExecutor::Unread { task, attempt: Attempt(1), input: task },
        FromExecutor::ExportFailed { task, gone: false, message: "no".into() },
    ]);
}

#[test]
fn the_board_and_calls_come_out_as_they_went_in() {
    use raskal_proto::board::{Kept, Name, Named, Put, Reference};
    use raskal_proto::{BoardAnswer, BoardRequest, CallMessage, Called, Note, Setup};
    let reference = Reference { task: TaskId { graph: GraphId(1), index: 2 }, key: "inc-1".into() };
    let note = Note { data: vec![1, 2], references: vec![reference] };
    let cell = Name { kind: "queue".into(), name: "q".into() };
    let ask = |ask| FromClient::Board { request: 7, ask };
    again(&vec![
        ask(BoardRequest::Put { cell: cell.clone(), note: note.clone(), how: Put::Append { capacity: 3 } }),
        ask(BoardRequest::Take { cell: cell.clone(), max: 0, wait: true }),
        ask(BoardRequest::Acquire { names: vec![cell], need: 1, limit: 1, wait: false }),
        ask(BoardRequest::Publish { topic: "t".into(), note: note.clone(), keep: true }),
        FromClient::GiveUp { request: 7 },
        FromClient::Call { request: 8, call: CallMessage { worker: WorkerId(1), pid: Some(2), payload: vec![3] } },
        FromClient::Setup(Setup { name: "plugin".into(), payload: None }),
    ]);
    let named = Named { name: "n".into(), order: 9, note: note.clone() };
    let answer = |answer| ToClient::Board { request: 7, answer };
    let called = vec![Called { pid: 1, result: Ok(vec![1]) }, Called { pid: 2, result: Err("it died".into()) }];
    again(&vec![
        answer(BoardAnswer::Notes(vec![named])),
        answer(BoardAnswer::Events(vec![Kept { at_us: 1, data: vec![2] }])),
        answer(BoardAnswer::GaveUp),
        ToClient::Topic { topic: "t".into(), at_us: 1, note },
        ToClient::Called { request: 8, answers: called.clone() },
    ]);
    again(&vec![
        ToWorker::Call { call: 1, pid: None, payload: vec![] },
        ToWorker::Setup { setup: Setup { name: "p".into(), payload: Some(vec![1]) }, now: true },
    ]);
    again(&vec![FromWorker::Called { call: 1, answers: called }, FromWorker::Slots { python: 3 }]);
    again(&vec![ToExecutor::Call { call: 1, payload: vec![] }, ToExecutor::Setup { payload: vec![2] }]);
    again(&vec![FromExecutor::Called { call: 1, result: vec![4] }, FromExecutor::Threads { threads: 2 }]);
}
