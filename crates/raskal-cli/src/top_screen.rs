//! A cluster as lines of text, for a terminal of some width.
//!
//! Start at [`Screen::lines`]. Pure: what is shown depends on the snapshots that were given, and nothing else.

use raskal_dashboard::{Layer, Snapshot, Worker};

/// How the workers are sorted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Order {
    /// As they joined.
    #[default]
    Joined,
    /// By name.
    Name,
    /// The busiest first.
    Cpu,
    /// The fullest first.
    Memory,
    /// Those with most tasks first.
    Tasks,
}

/// What is shown: the last snapshot, and the one before for rates.
pub(crate) struct Screen {
    now: Snapshot,
    before: Option<Snapshot>,
    order: Order,
}

/// Layers at work that are shown.
const LAYERS_MAX: usize = 8;
/// What is not shown to keep a little terminal readable.
const WIDTH_MIN: usize = 40;
const NAME_WIDTH: usize = 26;

impl Screen {
    pub(crate) fn new(now: Snapshot, order: Order) -> Screen {
        Screen { now, before: None, order }
    }

    pub(crate) fn update(&mut self, next: Snapshot) {
        self.before = Some(std::mem::replace(&mut self.now, next));
    }

    /// The lines, none longer than `width`, and at most `height` of them.
    pub(crate) fn lines(&self, width: usize, height: usize) -> Vec<String> {
        let mut lines = self.head();
        lines.push(String::new());
        lines.extend(self.layers());
        lines.push(format!(
            "{:<NAME_WIDTH$} {:>7} {:>7} {:>8} {:>8} {:>6}  {:<12} {:>19} {:>10} {:>10}",
            "WORKER", "RUNNING", "QUEUED", "RESULTS", "OCCUP", "CPU%", "MEMORY", "USED / LIMIT", "ON DISK", "NETWORK"
        ));
        let mut workers: Vec<&Worker> = self.now.workers.iter().collect();
        match self.order {
            Order::Joined => {}
            Order::Name => workers.sort_by_key(|worker| worker.name.clone()),
            Order::Cpu => workers.sort_by(|a, b| b.cpu_percent.total_cmp(&a.cpu_percent)),
            Order::Memory => workers.sort_by_key(|worker| std::cmp::Reverse(worker.memory_used_bytes)),
            Order::Tasks => workers.sort_by_key(|worker| std::cmp::Reverse(worker.executing + worker.queued)),
        }
        let room = height.saturating_sub(lines.len() + 1).max(1);
        lines.extend(workers.iter().take(room).map(|worker| self.worker(worker)));
        match workers.len() {
            0 => lines.push(format!("no worker is connected: raskal worker {}", self.now.scheduler.address)),
            count if count > room => lines.push(format!("and {} more workers", count - room)),
            _ => {}
        }
        lines.truncate(height.max(1));
        lines.iter().map(|line| cut(line, width.max(WIDTH_MIN))).collect()
    }

    fn head(&self) -> Vec<String> {
        let Snapshot { scheduler, totals, workers, .. } = &self.now;
        let counts = self.now.counts();
        let threads: u64 = workers.iter().map(|worker| u64::from(worker.threads)).sum();
        let executing: u64 = workers.iter().map(|worker| worker.executing).sum();
        let cpu: f64 = workers.iter().map(|worker| worker.cpu_percent).sum();
        let used: u64 = workers.iter().map(|worker| worker.memory_used_bytes).sum();
        let limit: u64 = workers.iter().map(|worker| worker.memory_limit_bytes).sum();
        let rate = self.rate(|snapshot| snapshot.totals.tasks_done + snapshot.totals.tasks_failed);
        let rate = rate.map_or(String::new(), |rate| format!(", {} tasks/s", short(rate)));
        let lost = if totals.workers_lost > 0 { format!(", {} lost", totals.workers_lost) } else { String::new() };
        let failed = if totals.tasks_failed > 0 { format!(", {} failed", totals.tasks_failed) } else { String::new() };
        vec![
            format!("raskal {}  {}  up {}", scheduler.version, scheduler.address, duration(self.now.uptime_s())),
            format!(
                "scheduler  {} events/s, {:.1} us each, busy {:.0} %, {}, {} frames waiting, {} clients",
                short(scheduler.events_per_s),
                scheduler.event_us_mean,
                100.0 * scheduler.busy,
                bytes(scheduler.memory_bytes),
                scheduler.inbox,
                totals.clients
            ),
            format!(
                "tasks      {executing} running, {} to go, {} done in all{failed}{rate}",
                counts.waiting + counts.ready,
                totals.tasks_done
            ),
            format!(
                "workers    {}{lost}, {threads} threads, CPU {cpu:.0} %, memory {}{}",
                workers.len(),
                bytes(used),
                if limit > 0 { format!(" of {}", bytes(limit)) } else { String::new() }
            ),
        ]
    }

    /// The layers that are begun and not done.
    fn layers(&self) -> Vec<String> {
        let at_work = |layer: &&Layer| {
            let finished = layer.counts.done + layer.counts.failed;
            finished < layer.counts.total && (finished > 0 || layer.counts.running > 0)
        };
        let layers: Vec<&Layer> = self.now.graphs.iter().flat_map(|graph| &graph.layers).filter(at_work).collect();
        let mut lines: Vec<String> = layers.iter().take(LAYERS_MAX).map(|layer| progress(layer)).collect();
        if layers.len() > LAYERS_MAX {
            lines.push(format!("and {} more layers", layers.len() - LAYERS_MAX));
        }
        if !lines.is_empty() {
            lines.insert(0, format!("{:<NAME_WIDTH$} {:<22} {}", "LAYER", "PROGRESS", "DONE / ALL"));
            lines.push(String::new());
        }
        lines
    }

    fn worker(&self, worker: &Worker) -> String {
        let limit = if worker.memory_limit_bytes > 0 { bytes(worker.memory_limit_bytes) } else { "none".into() };
        let whole = worker.memory_limit_bytes.max(worker.memory_used_bytes).max(1);
        let traffic = |snapshot: &Snapshot| {
            let known = snapshot.workers.iter().find(|other| other.id == worker.id);
            known.map_or(worker.received_bytes + worker.sent_bytes, |known| known.received_bytes + known.sent_bytes)
        };
        let network = self.rate(traffic).map_or("-".into(), |rate| format!("{}/s", bytes(rate as u64)));
        format!(
            "{:<NAME_WIDTH$} {:>7} {:>7} {:>8} {:>8} {:>6.0}  {} {:>19} {:>10} {:>10}",
            shortened(&worker.name, NAME_WIDTH),
            format!("{}/{}", worker.executing, worker.threads),
            worker.queued,
            worker.in_memory,
            duration(worker.occupancy_us / 1e6),
            worker.cpu_percent,
            bar(worker.memory_used_bytes as f64 / whole as f64, 12),
            format!("{} / {limit}", bytes(worker.memory_used_bytes)),
            bytes(worker.spilled_bytes),
            network
        )
    }

    /// How fast a counter grows, per second.
    fn rate(&self, count: impl Fn(&Snapshot) -> u64) -> Option<f64> {
        let before = self.before.as_ref()?;
        let seconds = self.now.time_us.saturating_sub(before.time_us) as f64 / 1e6;
        (seconds > 0.0).then(|| count(&self.now).saturating_sub(count(before)) as f64 / seconds)
    }
}

fn progress(layer: &Layer) -> String {
    let counts = layer.counts;
    let name =
        if layer.names.is_empty() { raskal_types::key::name(&layer.prefix).to_owned() } else { layer.names.join(", ") };
    let failed = if counts.failed > 0 { format!(", {} failed", counts.failed) } else { String::new() };
    format!(
        "{:<NAME_WIDTH$} {} {} / {}, {} running{failed}",
        shortened(&name, NAME_WIDTH),
        bar((counts.done + counts.failed) as f64 / counts.total.max(1) as f64, 22),
        counts.done,
        counts.total,
        counts.running
    )
}

fn bar(part: f64, width: usize) -> String {
    let filled = (part.clamp(0.0, 1.0) * width as f64).round() as usize;
    format!("{}{}", "█".repeat(filled), "░".repeat(width - filled))
}

/// Without what a terminal would obey: names come from people.
fn clean(text: &str) -> String {
    text.chars().map(|letter| if letter.is_control() { '?' } else { letter }).collect()
}

fn cut(text: &str, width: usize) -> String {
    clean(text).chars().take(width).collect::<String>().trim_end().to_owned()
}

fn shortened(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.to_owned();
    }
    text.chars().take(width - 1).chain(['…']).collect()
}

fn short(value: f64) -> String {
    match value {
        value if value >= 1e6 => format!("{:.1}M", value / 1e6),
        value if value >= 1e4 => format!("{:.1}k", value / 1e3),
        value => format!("{value:.0}"),
    }
}

fn bytes(value: u64) -> String {
    const UNITS: [&str; 6] = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];
    let (mut value, mut unit) = (value as f64, 0);
    while value >= 1024.0 && unit + 1 < UNITS.len() {
        (value, unit) = (value / 1024.0, unit + 1);
    }
    let digits = usize::from(unit > 0 && value < 100.0);
    format!("{value:.digits$} {}", UNITS[unit])
}

fn duration(seconds: f64) -> String {
    match seconds {
        seconds if seconds <= 0.0 => "0".into(),
        seconds if seconds < 1.0 => format!("{:.0}ms", seconds * 1e3),
        seconds if seconds < 60.0 => format!("{seconds:.1}s"),
        seconds if seconds < 3600.0 => format!("{:.0}min", seconds / 60.0),
        seconds if seconds < 86_400.0 => format!("{:.1}h", seconds / 3600.0),
        seconds => format!("{:.1}d", seconds / 86_400.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use raskal_dashboard::{Counts, Graph, Scheduler, Totals};

    fn snapshot() -> Snapshot {
        let worker = |id: u64, name: &str, cpu_percent| Worker {
            id,
            name: name.into(),
            threads: 4,
            executing: 3,
            queued: 12,
            in_memory: 40,
            memory_used_bytes: 3 << 30,
            memory_limit_bytes: 8 << 30,
            spilled_bytes: 512 << 20,
            occupancy_us: 2.5e6,
            cpu_percent,
            ..Worker::default()
        };
        let counts = Counts { total: 200, waiting: 94, running: 6, done: 98, failed: 2, ..Counts::default() };
        let layer = Layer { prefix: "read-csv-5be04c1a7f3d92e8".into(), counts, ..Layer::default() };
        Snapshot {
            time_us: 2_000_000,
            scheduler: Scheduler {
                address: "tls://10.0.0.5:8786".into(),
                version: "0.1.0".into(),
                events_per_s: 61_234.0,
                event_us_mean: 3.4,
                busy: 0.21,
                memory_bytes: 58 << 20,
                ..Scheduler::default()
            },
            totals: Totals { clients: 2, tasks_done: 500, tasks_failed: 2, ..Totals::default() },
            workers: vec![worker(0, "node-0", 212.0), worker(1, "node-1\u{1b}[2J", 390.0)],
            graphs: vec![Graph { layers: vec![layer], ..Graph::default() }],
            ..Snapshot::default()
        }
    }

    #[test]
    fn a_cluster_is_shown_with_its_load_layers_and_workers() {
        let mut before = snapshot();
        (before.time_us, before.totals.tasks_done) = (1_000_000, 400);
        let mut screen = Screen::new(before, Order::Joined);
        screen.update(snapshot());
        let lines = screen.lines(140, 40);
        assert_eq!(lines[0], "raskal 0.1.0  tls://10.0.0.5:8786  up 2.0s");
        assert!(lines[1].contains("61.2k events/s, 3.4 us each, busy 21 %, 58.0 MiB"), "{}", lines[1]);
        assert!(lines[2].ends_with("94 to go, 500 done in all, 2 failed, 100 tasks/s"), "{}", lines[2]);
        assert!(lines[3].contains("8 threads, CPU 602 %, memory 6.0 GiB of 16.0 GiB"), "{}", lines[3]);
        let layer = lines.iter().find(|line| line.starts_with("read-csv ")).unwrap();
        assert!(layer.ends_with("98 / 200, 6 running, 2 failed"), "{layer}");
        let worker = lines.iter().find(|line| line.starts_with("node-0")).unwrap();
        for part in ["3/4", "12", "2.5s", "212", "3.0 GiB / 8.0 GiB", "512 MiB"] {
            assert!(worker.contains(part), "{part}: {worker}");
        }
        assert!(lines.iter().all(|line| !line.contains('\u{1b}')), "a name can't move the cursor");
    }

    #[test]
    fn nothing_is_wider_or_higher_than_the_terminal() {
        let mut many = snapshot();
        many.workers = (0..300).map(|id| Worker { id, name: format!("w{id}"), ..Worker::default() }).collect();
        let screen = Screen::new(many, Order::Name);
        for (width, height) in [(80, 24), (40, 5), (200, 60)] {
            let lines = screen.lines(width, height);
            assert!(
                lines.len() <= height && lines.iter().all(|line| line.chars().count() <= width),
                "{width} {height}"
            );
        }
        assert!(screen.lines(200, 60).last().is_some_and(|line| line.starts_with("and ")));
    }

    #[test]
    fn an_empty_cluster_says_how_to_fill_it() {
        let screen = Screen::new(Snapshot { workers: vec![], ..snapshot() }, Order::Joined);
        assert!(screen.lines(100, 30).iter().any(|line| line.contains("raskal worker tls://10.0.0.5:8786")));
    }

    #[test]
    fn workers_are_sorted_by_what_was_asked() {
        let screen = Screen::new(snapshot(), Order::Cpu);
        let lines = screen.lines(140, 40);
        let place = |name: &str| lines.iter().position(|line| line.starts_with(name)).unwrap();
        assert!(place("node-1") < place("node-0"));
    }
}
