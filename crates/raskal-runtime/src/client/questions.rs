//! What the cluster is and holds.

use crate::Failure;
use crate::client::Client;
use crate::client::results::{POLL, Poll};
use raskal_proto::FromClient;
use raskal_proto::client::{Answer, ClusterInfo, Holding, Question, WorkerInfo};
use raskal_types::{ErrorKind, TaskId, WorkerId};

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
            Answer::Refused(why) => Err(Failure::new(ErrorKind::Io, why)),
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

    /// What the dashboard shows at an address (`raskal_dashboard::View`), as JSON.
    ///
    /// # Errors
    /// If there is nothing at that address, the connection ends, or what `poll` says.
    pub fn view(&self, address: &str, poll: &mut Poll<'_>) -> Result<String, Failure> {
        match self.ask(Question::View(address.to_owned()), poll)? {
            Answer::View(Ok(json)) => Ok(json),
            Answer::View(Err(why)) => Err(Failure::new(ErrorKind::Value, why)),
            _ => Err(Failure::internal("the scheduler answered another question")),
        }
    }

    /// The names that this process knows tasks by: those of tasks of graphs that it submitted and has results of.
    pub fn keys(&self, tasks: &[TaskId]) -> Vec<Option<String>> {
        let naming = |&task: &TaskId| self.shared.table.lock().naming(task);
        tasks.iter().map(|task| naming(task).own_key()).collect()
    }

    /// The holders of each of these results.
    ///
    /// # Errors
    /// If the connection ends, or what `poll` says.
    pub fn who_has(&self, tasks: Vec<TaskId>, poll: &mut Poll<'_>) -> Result<Vec<Vec<WorkerId>>, Failure> {
        match self.ask(Question::WhoHas(tasks), poll)? {
            Answer::WhoHas(holders) => Ok(holders),
            Answer::Refused(why) => Err(Failure::new(ErrorKind::Io, why)),
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
            Answer::Refused(why) => Err(Failure::new(ErrorKind::Io, why)),
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

    /// Has the values of results held by so many workers, and waits until they are. All workers if `copies` is 0; of
    /// those of these names or addresses, if any are named.
    ///
    /// # Errors
    /// If a worker is not there, the connection ends, or what `poll` says.
    pub fn replicate(
        &self,
        tasks: Vec<TaskId>,
        copies: u32,
        workers: Vec<String>,
        poll: &mut Poll<'_>,
    ) -> Result<(), Failure> {
        self.order(Question::Replicate { tasks, copies, workers }, poll).map(drop)
    }

    /// Moves values between workers until each holds about as many bytes, and waits until they have moved.
    ///
    /// # Errors
    /// If a worker is not there, the connection ends, or what `poll` says.
    pub fn rebalance(&self, tasks: Vec<TaskId>, workers: Vec<String>, poll: &mut Poll<'_>) -> Result<(), Failure> {
        self.order(Question::Rebalance { tasks, workers }, poll).map(drop)
    }

    /// Has workers leave once their values are elsewhere; those that have left.
    ///
    /// # Errors
    /// If a worker is not there, the connection ends, or what `poll` says.
    pub fn retire(&self, workers: Vec<String>, close: bool, poll: &mut Poll<'_>) -> Result<Vec<WorkerInfo>, Failure> {
        match self.order(Question::Retire { workers, close }, poll)? {
            Answer::Retired(workers) => Ok(workers),
            _ => Err(Failure::internal("the scheduler answered another question")),
        }
    }

    /// Gives up everything of every client, and restarts the processes that run tasks.
    ///
    /// # Errors
    /// If the connection ends, or what `poll` says.
    pub fn restart(&self, poll: &mut Poll<'_>) -> Result<(), Failure> {
        self.order(Question::Restart, poll).map(drop)
    }

    fn order(&self, question: Question, poll: &mut Poll<'_>) -> Result<Answer, Failure> {
        match self.ask(question, poll)? {
            Answer::Refused(why) => Err(Failure::new(ErrorKind::Value, why)),
            answer => Ok(answer),
        }
    }
}
