//! Options that users of Dask's commands are used to and that ask for what is so anyway: taken, and answered with a line.
//!
//! They are not in `--help`, which shows what there is to choose.

use clap::Args;

/// Of `dask scheduler`.
#[derive(Debug, Default, Args)]
pub(crate) struct Scheduler {
    #[arg(long, hide = true)]
    protocol: Option<String>,
    #[arg(long, hide = true, conflicts_with = "no_dashboard")]
    dashboard: bool,
    #[arg(long, hide = true)]
    dashboard_prefix: Option<String>,
    #[arg(long, hide = true, conflicts_with = "no_show")]
    show: bool,
    #[arg(long, hide = true)]
    no_show: bool,
    #[arg(long, hide = true)]
    use_xheaders: Option<String>,
    #[arg(long, hide = true, conflicts_with = "no_jupyter")]
    jupyter: bool,
    #[arg(long, hide = true)]
    no_jupyter: bool,
}

/// Of `dask worker`.
#[derive(Debug, Default, Args)]
pub(crate) struct Worker {
    #[arg(long, hide = true)]
    protocol: Option<String>,
    #[arg(long, hide = true, conflicts_with = "no_nanny")]
    nanny: bool,
    #[arg(long, hide = true)]
    no_nanny: bool,
    #[arg(long, hide = true, conflicts_with = "no_dashboard")]
    dashboard: bool,
    #[arg(long, hide = true)]
    no_dashboard: bool,
    #[arg(long, hide = true)]
    dashboard_address: Option<String>,
    #[arg(long, hide = true)]
    dashboard_prefix: Option<String>,
    #[arg(long, hide = true)]
    worker_class: Option<String>,
    #[arg(long, hide = true)]
    nanny_port: Option<String>,
    #[arg(long, hide = true)]
    preload_nanny: Vec<String>,
    #[arg(long, hide = true)]
    scheduler_sni: Option<String>,
}

impl Scheduler {
    /// What is so, for each option that was typed.
    ///
    /// # Errors
    /// For those that ask for what is not so.
    pub(crate) fn answer(&self, insecure: bool) -> Result<Vec<&'static str>, String> {
        protocol(self.protocol.as_deref(), insecure)?;
        if self.jupyter {
            return Err(
                "--jupyter: the scheduler runs no Python\nhint: start Jupyter by itself, and a Client in it".into()
            );
        }
        let mut lines = Vec::new();
        if self.dashboard_prefix.is_some() || self.use_xheaders.is_some() {
            lines.push(
                "--dashboard-prefix and --use-xheaders are not needed: the dashboard's links hold behind any proxy",
            );
        }
        Ok(lines)
    }
}

impl Worker {
    /// What is so, for each option that was typed.
    ///
    /// # Errors
    /// For those that ask for what is not so.
    pub(crate) fn answer(&self, insecure: bool) -> Result<Vec<&'static str>, String> {
        protocol(self.protocol.as_deref(), insecure)?;
        let mut lines = Vec::new();
        if self.no_nanny || self.nanny_port.is_some() {
            lines.push("--no-nanny and --nanny-port have no effect: a worker always watches over its Python processes");
        }
        if !self.preload_nanny.is_empty() {
            return Err(
                "--preload-nanny: what watches over Python processes runs no Python\nhint: use --preload".into()
            );
        }
        if self.dashboard_address.is_some() || self.dashboard_prefix.is_some() {
            lines.push("a worker has no dashboard of its own: the scheduler's shows its workers");
        }
        if self.worker_class.as_deref().is_some_and(|class| !class.to_lowercase().contains("distributed")) {
            return Err("--worker-class: workers are one program\nhint: use --preload, or a WorkerPlugin".into());
        }
        if self.scheduler_sni.is_some() {
            lines.push(
                "--scheduler-sni has no effect: the scheduler is known by its certificate or token, not by a name",
            );
        }
        Ok(lines)
    }
}

fn protocol(asked: Option<&str>, insecure: bool) -> Result<(), String> {
    match asked.map(|text| text.trim_end_matches("://")) {
        None | Some("tls") => Ok(()),
        Some("tcp") if insecure => Ok(()),
        Some("tcp") => Err("--protocol tcp: connections are encrypted\nhint: leave it out, or add --insecure".into()),
        Some(other) => Err(format!("--protocol {other}: there are tls, and tcp with --insecure")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_so_anyway_is_said_and_what_is_not_is_refused() {
        let quiet = Worker { nanny: true, dashboard: true, protocol: Some("tls://".into()), ..Worker::default() };
        assert_eq!(quiet.answer(false), Ok(vec![]));
        let told = Worker { no_nanny: true, dashboard_address: Some(":0".into()), ..Worker::default() };
        assert_eq!(told.answer(false).unwrap().len(), 2);
        let tcp = Scheduler { protocol: Some("tcp".into()), ..Scheduler::default() };
        assert!(tcp.answer(false).unwrap_err().contains("--insecure") && tcp.answer(true).is_ok());
        assert!(Scheduler { jupyter: true, ..Scheduler::default() }.answer(false).is_err());
    }
}
