//! The functions of running programs as bytes: encoded when the first of their tasks is sent, once for all processes.

use crate::local::state::Job;
use crate::{EncodedFunction, Failure, Program};
use parking_lot::Mutex;
use raskal_types::GraphId;
use std::collections::HashMap;
use std::sync::{Arc, OnceLock, Weak};

/// A layer's function, encoded or not.
pub(super) type Encoded = Arc<OnceLock<Result<EncodedFunction, Failure>>>;

struct Known {
    program: Weak<Program>,
    layers: Vec<Encoded>,
}

/// The encoded functions.
#[derive(Default)]
pub(super) struct Functions {
    programs: Mutex<HashMap<GraphId, Known>>,
}

impl Functions {
    /// The encoded function of a job. The first to ask encodes it; others wait.
    pub(super) fn get(&self, job: &Job) -> Encoded {
        let (layer, _) = job.program.graph.locate(job.task.index);
        let place = {
            let mut programs = self.programs.lock();
            let known = programs.entry(job.task.graph).or_insert_with(|| Known {
                program: Arc::downgrade(&job.program),
                layers: job.program.functions.iter().map(|_| Encoded::default()).collect(),
            });
            known.layers[layer.0 as usize].clone()
        };
        place.get_or_init(|| job.program.functions[layer.0 as usize].encode());
        place
    }

    /// Forgets the functions of programs that are gone.
    pub(super) fn forget(&self) {
        let mut gone = Vec::new();
        self.programs.lock().retain(|_, known| {
            let lives = known.program.strong_count() > 0;
            if !lives {
                gone.append(&mut known.layers);
            }
            lives
        });
        // Dropped here, where no lock is held.
        drop(gone);
    }
}
