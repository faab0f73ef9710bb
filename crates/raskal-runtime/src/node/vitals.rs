//! Memory and processor time of a node and its executors.

use std::time::{Duration, Instant};
use sysinfo::{Pid, ProcessRefreshKind, ProcessesToUpdate, System};

/// Looks at processes from time to time.
pub(crate) struct Vitals {
    system: Option<System>,
    last: Option<(Instant, Duration)>,
}

impl Vitals {
    pub(crate) fn new() -> Vitals {
        Vitals { system: System::new().ok(), last: None }
    }

    /// Resident bytes of this process and of `children`, and their processor time in percent of one core.
    pub(crate) fn take(&mut self, children: impl Iterator<Item = u32>) -> (u64, f32) {
        let pids: Vec<Pid> = children.chain([std::process::id()]).map(Pid::from_u32).collect();
        let kind = ProcessRefreshKind::nothing().with_memory().with_cpu();
        let Some(system) = &mut self.system else { return (0, 0.0) };
        system.refresh_processes_specifics(ProcessesToUpdate::Some(&pids), true, kind);
        let mut memory_bytes = 0;
        let mut time = Duration::ZERO;
        for process in pids.iter().filter_map(|&pid| system.process(pid)) {
            memory_bytes += process.memory();
            time += Duration::from_millis(process.accumulated_cpu_time());
        }
        let now = Instant::now();
        let percent = self.last.map_or(0.0, |(then, before)| {
            let spent = time.saturating_sub(before).as_secs_f32();
            100.0 * spent / now.duration_since(then).as_secs_f32().max(1e-3)
        });
        self.last = Some((now, time));
        (memory_bytes, percent)
    }
}
