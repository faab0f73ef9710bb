//! Many small clusters, each determined by its seed. `SEEDS=10000` plays more of them.

use raskal_simulate::{Profile, Report, Simulation};

/// Plays seeds of one profile; the seed of a failure is named, and how to play it again.
fn play(profile: &Profile) -> Report {
    let count = std::env::var("SEEDS").ok().and_then(|count| count.parse().ok()).unwrap_or(300);
    let from = std::env::var("FROM").ok().and_then(|from| from.parse().ok()).unwrap_or(0);
    let mut total = Report::default();
    for seed in from..from + count {
        match std::panic::catch_unwind(|| Simulation::run(profile, seed)) {
            Ok(report) => total += report,
            Err(panic) => {
                let name = profile.name;
                eprintln!("replay: SEED={seed} PROFILE={name} cargo test -p raskal-simulate replay");
                std::panic::resume_unwind(panic);
            }
        }
    }
    eprintln!("{}: {count} seeds, {total:?}", profile.name);
    assert!(total.collected >= count, "so few results were looked at: {total:?}");
    assert!(total.steps > 20 * count, "so few steps were looked at: {total:?}");
    total
}

#[test]
fn a_calm_cluster_computes_everything_once() {
    let total = play(&Profile::CALM);
    assert_eq!(total.failed, 0);
    assert_eq!(total.collected, total.wanted);
}

#[test]
fn lost_workers_and_dead_processes_change_no_result() {
    play(&Profile::LOSSES);
}

#[test]
fn failing_tasks_fail_what_needs_them_and_nothing_else() {
    assert!(play(&Profile::FAILURES).failed > 0);
}

#[test]
fn impatient_and_vanishing_clients_leave_nothing_behind() {
    play(&Profile::CLIENTS);
}

#[test]
fn graphs_that_build_on_each_other_survive_all_of_it() {
    play(&Profile::IMPORTS);
}

#[test]
fn values_move_and_workers_leave_without_loss() {
    assert!(play(&Profile::CUSTODY).retired > 10);
}

#[test]
fn broken_connections_and_killed_schedulers_change_no_result() {
    let total = play(&Profile::RESTARTS);
    assert!(total.rejoined > 100 && total.restarts > 50, "{total:?}");
}

#[test]
fn nodes_that_hang_or_are_cut_off_change_no_result() {
    assert!(play(&Profile::HANGS).rejoined > 50);
}

#[test]
fn damaged_values_are_made_again_and_those_that_can_not_leave_their_process_are_told() {
    assert!(play(&Profile::STORES).failed > 0);
}

#[test]
fn all_of_it_at_once_changes_no_result() {
    play(&Profile::EVERYTHING);
}

/// Plays one seed again: `SEED=7 PROFILE=losses cargo test -p raskal-simulate replay`. Without a seed it checks what that
/// relies on: the same seed plays the same story.
#[test]
fn replay() {
    let seed = std::env::var("SEED").ok().and_then(|seed| seed.parse().ok());
    let name = std::env::var("PROFILE").unwrap_or_else(|_| "imports".to_owned());
    let profile = Profile::ALL.into_iter().find(|profile| profile.name == name);
    let profile = profile.unwrap_or_else(|| {
        panic!("no profile is named {name:?}; there are {:?}", Profile::ALL.map(|profile| profile.name))
    });
    let play = if seed.is_some() { Simulation::replay } else { Simulation::run };
    let first = format!("{:?}", play(&profile, seed.unwrap_or(1)));
    assert_eq!(first, format!("{:?}", Simulation::run(&profile, seed.unwrap_or(1))));
}
