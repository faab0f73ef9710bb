//! What can't be cut says so, and what to do.

use super::runner::{Joins, Runner, context, lowered};
use super::tables::{Place, register};
use datafusion::prelude::{SessionConfig, SessionContext};
use raskal_types::ErrorKind;

#[test]
fn a_leaf_of_an_unknown_kind_is_refused() {
    let context = context(2, Joins::AsPlanned);
    let error = lowered(&context, "select * from generate_series(1, 10)", Joins::AsPlanned).err().unwrap();
    assert_eq!(error.kind, ErrorKind::Unsupported);
    assert!(error.message.contains("can't be cut into tasks\nhint: compute() it first"), "{error}");
}

#[test]
fn filters_made_at_run_time_are_refused() {
    let context = SessionContext::new_with_config(SessionConfig::new().with_target_partitions(2));
    let _folder = register(&context, Place::Parquet);
    let sql = "select id, x from people order by x desc limit 3";
    let error = lowered(&context, sql, Joins::AsPlanned).err().unwrap();
    assert_eq!(error.kind, ErrorKind::Unsupported);
    assert!(error.message.contains("filters that are made while it runs"), "{error}");
    assert!(error.message.contains("stage::configure"), "{error}");
}

#[test]
fn a_file_that_is_gone_is_named() {
    let context = context(2, Joins::AsPlanned);
    let folder = register(&context, Place::Csv);
    let (program, _) = lowered(&context, "select sum(id) from people", Joins::AsPlanned).unwrap();
    std::fs::remove_file(folder.path().join("people/1.csv")).unwrap();
    let error = Runner::new(program).run().err().unwrap();
    assert_eq!(error.kind, ErrorKind::FileNotFound, "{error}");
    assert!(error.message.contains("people/1.csv"), "{error}");
}

#[test]
fn a_row_that_can_not_be_read_fails_its_task_only() {
    let context = context(3, Joins::AsPlanned);
    let folder = register(&context, Place::Csv);
    std::fs::write(folder.path().join("people/1.csv"), "id,name,x\n1,Bob,2.5\nnine,Bob,2.5\n").unwrap();
    let (program, _) = lowered(&context, "select id from people", Joins::AsPlanned).unwrap();
    let runner = Runner::new(program);
    let results: Vec<_> = runner.program.wanted.iter().map(|&task| runner.attempt(task)).collect();
    assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 2);
    let error = results.into_iter().find_map(Result::err).unwrap();
    assert_eq!(error.kind, ErrorKind::Value);
    assert!(error.message.contains("nine"), "{error}");
}
