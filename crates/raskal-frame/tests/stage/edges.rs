//! The shape of lowered programs: who depends on whom, and under which names.

use super::runner::{Joins, context, lowered};
use super::tables::{Place, register};
use raskal_graph::EdgeMap;
use raskal_runtime::Program;

/// One line per layer: name, shape, and what it depends on by which formula.
fn describe(program: &Program) -> String {
    let graph = &program.graph;
    let name = |prefix: &str| prefix.rsplit_once('-').unwrap().0.to_owned();
    let mut lines = Vec::new();
    for (number, layer) in graph.layers().iter().enumerate() {
        let edges = layer.edges.iter().map(|edge| {
            let map = match &edge.map {
                EdgeMap::Explicit(csr) => {
                    format!("Explicit({:?})", (0..csr.len() as u32).map(|row| csr.row(row)).collect::<Vec<_>>())
                }
                EdgeMap::BlockMap { axes } => format!("{axes:?}"),
                other => format!("{other:?}"),
            };
            format!(" <- {} {}", edge.source.0, map)
        });
        lines.push(format!("{number} {} {:?}{}", name(&layer.prefix), layer.shape, edges.collect::<String>()));
    }
    lines.join("\n")
}

#[test]
fn a_consumer_depends_on_its_part_of_every_producer_only() {
    let context = context(2, Joins::AsPlanned);
    let _folder = register(&context, Place::Memory);
    let (program, _) = lowered(&context, "select name, sum(x) from people group by name", Joins::AsPlanned).unwrap();
    insta::assert_snapshot!(describe(&program), @r"
    0 memory [3]
    1 aggregate [3] <- 0 OneToOne
    2 split [3, 2] <- 1 [Same(0)]
    3 aggregate [2] <- 2 [Every, Same(0)]
    ");
}

#[test]
fn a_small_join_side_goes_to_everybody() {
    let context = context(2, Joins::AsPlanned);
    let _folder = register(&context, Place::Memory);
    let sql = "select id, city from people join cities on people.name = cities.name";
    let (program, _) = lowered(&context, sql, Joins::AsPlanned).unwrap();
    insta::assert_snapshot!(describe(&program), @r"
    0 memory [2]
    1 memory [3]
    2 join [3] <- 0 All <- 1 OneToOne
    ");
}

#[test]
fn a_branch_of_a_union_is_read_by_its_own_tasks() {
    let context = context(2, Joins::AsPlanned);
    let _folder = register(&context, Place::Memory);
    let sql = "select name from people union all select name from cities";
    let (program, _) = lowered(&context, sql, Joins::AsPlanned).unwrap();
    insta::assert_snapshot!(describe(&program), @r"
    0 memory [3]
    1 memory [2]
    2 union [5] <- 0 Explicit([[0], [1], [2], [], []]) <- 1 Explicit([[], [], [], [0], [1]])
    ");
}

#[test]
fn the_same_query_has_the_same_names_whenever_it_is_lowered() {
    let names = |sql: &str, partitions: usize| {
        let context = context(partitions, Joins::AsPlanned);
        let _folder = register(&context, Place::Memory);
        let (program, _) = lowered(&context, sql, Joins::AsPlanned).unwrap();
        program.graph.layers().iter().map(|layer| layer.prefix.clone()).collect::<Vec<_>>()
    };
    let sql = "select city, avg(x) from people join cities on people.name = cities.name group by city";
    assert_eq!(names(sql, 3), names(sql, 3));
    let (two, five) = (names(sql, 2), names(sql, 5));
    assert_ne!(two.last(), five.last());
    let other = "select city, sum(x) from people join cities on people.name = cities.name group by city";
    assert_ne!(names(sql, 3).last(), names(other, 3).last());
}
