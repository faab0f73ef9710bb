//! What the cluster is and holds.

use crate::Failure;
use crate::client::Client;
use crate::client::results::{POLL, Poll};
use raskal_proto::FromClient;
use raskal_proto::client::{Answer, ClusterInfo, Holding, Question};
use raskal_types::{TaskId, WorkerId};

impl Client {
    fn ask(&self, question: Question, poll: &mut Poll<'_>) -> Result<Answer, Failure> {
        let request = {
            let mut table = self.shared.table.lock();
            table.check_open()?;
            table.next_request += 1;
            let request = table.next_request;
            table.answers.insert(request, None);
            request
        };
        self.sender.push([FromClient::Ask { request, question }])?;
        loop {
            {
                let mut table = self.shared.table.lock();
                if table.answers.get(&request).is_some_and(Option::is_some)
                    && let Some(Some(answer)) = table.answers.remove(&request)
                {
                    return Ok(answer);
                }
                table.check_open()?;
                self.shared.changed.wait_for(&mut table, POLL);
            }
            poll()?;
        }
    }

    /// What is known of the cluster.
    ///
    /// # Errors
    /// If the connection ends, or what `poll` says.
    pub fn info(&self, poll: &mut Poll<'_>) -> Result<ClusterInfo, Failure> {
        match self.ask(Question::Info, poll)? {
            Answer::Info(info) => Ok(info),
            _ => Err(Failure::internal("the scheduler answered another question")),
        }
    }

    /// How many tasks have not ended, and how many of them workers have.
    ///
    /// # Errors
    /// If the connection ends, or what `poll` says.
    pub fn backlog(&self, poll: &mut Poll<'_>) -> Result<(u64, u64), Failure> {
        match self.ask(Question::Backlog, poll)? {
            Answer::Backlog { unfinished, running } => Ok((unfinished, running)),
            _ => Err(Failure::internal("the scheduler answered another question")),
        }
    }

    /// The holders of each of these results.
    ///
    /// # Errors
    /// If the connection ends, or what `poll` says.
    pub fn who_has(&self, tasks: Vec<TaskId>, poll: &mut Poll<'_>) -> Result<Vec<Vec<WorkerId>>, Failure> {
        match self.ask(Question::WhoHas(tasks), poll)? {
            Answer::WhoHas(holders) => Ok(holders),
            _ => Err(Failure::internal("the scheduler answered another question")),
        }
    }

    /// The values that each worker holds.
    ///
    /// # Errors
    /// If the connection ends, or what `poll` says.
    pub fn has_what(&self, poll: &mut Poll<'_>) -> Result<Vec<(WorkerId, Vec<Holding>)>, Failure> {
        match self.ask(Question::HasWhat, poll)? {
            Answer::HasWhat(keys) => Ok(keys),
            _ => Err(Failure::internal("the scheduler answered another question")),
        }
    }

    /// The key that a task's client gave it, if this is that client and it still wants something of the task's graph.
    pub fn key_of(&self, task: TaskId) -> Option<String> {
        let naming = {
            let table = self.shared.table.lock();
            table.graphs.get(&task.graph)?;
            table.naming(task)
        };
        Some(naming.key())
    }
}
