//! Answers of cut plans, against the engine alone.

use super::runner::{Joins, Runner, answer, block_on, collect, context, lowered, rows};
use super::tables::{PEOPLE, PLACES, Place, register};
use arrow::array::{Int64Array, StringViewArray};
use arrow::record_batch::RecordBatch;
use datafusion::catalog::MemTable;
use std::sync::Arc;

/// Whether the rows of an answer are compared in order.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Order {
    Kept,
    Any,
}

/// Runs each query on every kind of table with 1, 2 and 5 partitions, and compares with the engine alone.
fn check(order: Order, joins: &[Joins], queries: &[&str]) {
    let sorted = |mut rows: Vec<String>| {
        if order == Order::Any {
            rows.sort();
        }
        rows
    };
    let mut checked = 0;
    for place in PLACES {
        let alone = context(1, Joins::AsPlanned);
        let _folder = register(&alone, place);
        let expected: Vec<_> = queries.iter().map(|sql| sorted(collect(&alone, sql))).collect();
        for (&joins, partitions) in joins.iter().flat_map(|joins| [1, 2, 5].map(|partitions| (joins, partitions))) {
            let cut = context(partitions, joins);
            let _folder = register(&cut, place);
            for (sql, expected) in queries.iter().zip(&expected) {
                let got = sorted(answer(&cut, sql, joins));
                assert_eq!(*expected, got, "{sql} on {place:?}, {partitions} partitions, {joins:?}");
                assert!(!got.is_empty(), "{sql} on {place:?} compares nothing");
                checked += 1;
            }
        }
    }
    assert_eq!(checked, 9 * queries.len() * joins.len());
}

#[test]
fn a_group_by_with_a_shuffle_gives_the_single_node_answer() {
    check(
        Order::Any,
        &[Joins::AsPlanned],
        &[
            "select name, avg(x), sum(id), count(*), count(x) from people group by name",
            "select count(*), avg(x), max(name) from people",
            "select count(distinct name), count(distinct id % 7) from people",
            "select distinct name from people",
        ],
    );
}

#[test]
fn filters_and_projections_keep_the_order_of_rows() {
    check(
        Order::Any,
        &[Joins::AsPlanned],
        &[
            "select id from people where x > (select avg(x) from people)",
            "select count(*) from (select id from people limit 17)",
            "select id, row_number() over (partition by name order by id) from people",
        ],
    );
    check(
        Order::Kept,
        &[Joins::AsPlanned],
        &[
            "select id * 2 as twice, upper(name) from people where x > 10",
            "select id, x from people order by x desc nulls last, id limit 10",
            "select id, x from people order by name, id",
        ],
    );
    let context = context(5, Joins::AsPlanned);
    let _folder = register(&context, Place::Parquet);
    let ids = answer(&context, "select id from people", Joins::AsPlanned);
    assert_eq!(ids, (0..PEOPLE).map(|id| id.to_string()).collect::<Vec<_>>());
}

#[test]
fn unions_read_every_branch_once() {
    check(
        Order::Any,
        &[Joins::AsPlanned],
        &[
            "select name, x from people union all select name, x + 1 from people",
            "select count(*) from people union all select count(distinct name) from people",
            "select name, count(*) from (select name from people union all select name from cities) group by name",
            "select name from people union select name from cities",
            "select id from (select id from people order by id limit 3) union all select rank from cities",
            "select sum(n) from (select name, count(*) n from people group by name
             union all select name, count(*) n from cities group by name)",
        ],
    );
}

#[test]
fn joins_of_every_kind_give_the_single_node_answer() {
    check(
        Order::Any,
        &[Joins::AsPlanned, Joins::DealtOut, Joins::SortMerge],
        &[
            "select id, city from people left join cities on people.name = cities.name",
            "select id, city from people right join cities on people.name = cities.name",
            "select id, city from people full join cities on people.name = cities.name and id > rank",
            "select id from people where exists (select 1 from cities where cities.name = people.name)",
            "select id from people where not exists (select 1 from cities where cities.name = people.name)",
            "select city from cities where not exists (select 1 from people where cities.name = people.name)",
            "select a.city, b.city, count(*) from cities a join cities b on a.name = b.name group by a.city, b.city",
        ],
    );
}

#[test]
fn joins_without_equal_keys_emit_unmatched_rows_once() {
    check(
        Order::Any,
        &[Joins::AsPlanned],
        &[
            "select id, city from people left join cities on id < rank - 290",
            "select id, city from people full join cities on id < rank - 290",
            "select city, id from cities left join people on rank > id + 290",
            "select id from people where exists (select 1 from cities where rank > id + 290)",
            "select id from people where not exists (select 1 from cities where rank > id)",
            "select a.city, b.name from cities a cross join cities b",
            "select count(*) from people a, cities b where a.id + b.rank = 5",
        ],
    );
}

#[test]
fn a_join_with_a_group_by_comes_back_ordered() {
    check(
        Order::Kept,
        &[Joins::AsPlanned, Joins::DealtOut, Joins::SortMerge],
        &["select city, sum(x) as total, count(*) from people join cities on people.name = cities.name
           where id % 3 <> 0 group by city order by total desc, city"],
    );
}

#[test]
fn a_null_aware_anti_join_sees_all_of_its_other_side() {
    check(
        Order::Any,
        &[Joins::AsPlanned],
        &[
            "select city from cities where name not in (select name from people where name is not null)",
            "select count(*) from cities where name not in (select name from people)",
        ],
    );
}

/// Ballista's restriction leaves all partitions to leaves it does not know, and a file scan's partitions take work from
/// each other: either would give rows twice.
#[test]
fn every_kind_of_leaf_gives_each_row_to_one_task() {
    for place in PLACES {
        let context = context(3, Joins::AsPlanned);
        let _folder = register(&context, place);
        let (program, layer) = lowered(&context, "select id from people where id >= 0", Joins::AsPlanned).unwrap();
        assert_eq!(program.graph.layer(layer).shape, [3], "{place:?}");
        let mut runner = Runner::new(program);
        let everything = rows(&runner.run().unwrap());
        let mut each = Vec::new();
        for task in runner.program.wanted.clone() {
            // The last partitions first: what a task gives does not depend on who ran before it.
            let own = rows(&runner.attempt(task).unwrap().as_batches().unwrap().batches);
            assert!(!own.is_empty() && own.len() < PEOPLE as usize, "{place:?}: {} rows", own.len());
            each.extend(own);
        }
        assert_eq!(each, everything, "{place:?}");
        assert_eq!(each, (0..PEOPLE).map(|id| id.to_string()).collect::<Vec<_>>(), "{place:?}");
    }
}

#[test]
fn a_second_attempt_of_any_task_gives_the_same() {
    let context = context(3, Joins::DealtOut);
    let _folder = register(&context, Place::Parquet);
    let sql = "select city, sum(x), count(*) from people join cities on people.name = cities.name group by city";
    let (program, _) = lowered(&context, sql, Joins::DealtOut).unwrap();
    let mut runner = Runner::new(program);
    runner.run().unwrap();
    let tasks = raskal_graph::order(&runner.program.graph, &runner.program.wanted);
    assert!(tasks.len() > 20, "only {} tasks", tasks.len());
    for task in tasks {
        let mut attempts = [(); 2].map(|()| rows(&runner.attempt(task).unwrap().as_batches().unwrap().batches));
        attempts.iter_mut().for_each(|rows| rows.sort());
        assert_eq!(attempts[0], attempts[1], "{}", runner.program.graph.key(task));
    }
}

#[test]
fn short_string_views_do_not_keep_the_whole_table_alive() {
    let long = |row: i64| format!("{row:06} {}", "x".repeat(500));
    let names: StringViewArray = (0..4000).map(|row| Some(long(row))).collect();
    let ids = Int64Array::from_iter_values(0..4000);
    let batch = RecordBatch::try_from_iter([("id", Arc::new(ids) as _), ("name", Arc::new(names) as _)]).unwrap();
    let context = context(2, Joins::AsPlanned);
    let table = MemTable::try_new(batch.schema(), vec![vec![batch]]).unwrap();
    context.register_table("long", Arc::new(table)).unwrap();
    let sql = "select name from long where id % 1000 = 7";
    let (program, _) = lowered(&context, sql, Joins::AsPlanned).unwrap();
    let runner = {
        let mut runner = Runner::new(program);
        assert_eq!(runner.run().unwrap().iter().map(RecordBatch::num_rows).sum::<usize>(), 4);
        runner
    };
    for &task in &runner.program.wanted {
        let size = runner.attempt(task).unwrap().size_bytes();
        assert!(size < 20_000, "4 names of 507 bytes take {size} bytes");
    }
    let expected = block_on(async { context.sql(sql).await.unwrap().count().await.unwrap() });
    assert_eq!(expected, 4);
}
