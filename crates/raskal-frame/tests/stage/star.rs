//! Larger queries in the manner of decision-support benchmarks, over tables made by arithmetic.
//!
//! Sales point at items, shops and days; amounts are multiples of a quarter, so that sums are exact in any order.

use super::runner::{Joins, Runner, answer, block_on, collect, context, lowered};
use datafusion::prelude::SessionContext;

const TABLES: [&str; 4] = [
    "create table sales as select
        value as sale, value * 7919 % 97 as item, value * 104729 % 13 as shop, value * 31 % 365 as day,
        (value * 37 % 400) / 4.0 as price, 1 + value % 5 as quantity,
        case when value % 17 = 0 then null else value * 53 % 11 end as customer
     from generate_series(1, 6000)",
    "create table items as select value as item, 'item ' || value as name, 'brand ' || (value % 9) as brand
     from generate_series(0, 90)",
    "create table shops as select value as shop, 'town ' || (value % 4) as town from generate_series(0, 12)",
    "create table days as select value as day, value / 31 as month from generate_series(0, 364)",
];

const QUERIES: [&str; 10] = [
    "select brand, sum(price * quantity) as revenue, count(*), avg(quantity) from sales join items using (item)
     where price > 20 group by brand order by revenue desc, brand",
    "select town, month, sum(price) as total from sales join shops using (shop) join days using (day)
     where month between 3 and 8 group by town, month order by town, month",
    "select town, brand, count(distinct customer) as buyers from sales join shops using (shop) join items using (item)
     group by town, brand having count(*) > 100 order by buyers desc, town, brand limit 15",
    "select name, sum(quantity) as n from items left join sales using (item) group by name order by n desc nulls last, name",
    "select brand from items where item not in (select item from sales where price > 99.5) order by brand",
    "select shop, max(price) from sales s where price > (select avg(price) from sales) group by shop order by shop",
    "with best as (select shop, day, sum(price) as total from sales group by shop, day)
     select b.shop, b.day, total from best b
     join (select shop, max(total) as top from best group by shop) t on b.shop = t.shop and b.total = t.top
     order by b.shop, b.day",
    "select * from (select town, brand, sum(price) as total,
        rank() over (partition by town order by sum(price) desc) as place
        from sales join shops using (shop) join items using (item) group by town, brand)
     where place <= 2 order by town, place, brand",
    "select town, sum(case when quantity > 3 then price else 0 end) / sum(price) > 0.4 as bulky from sales
     join shops using (shop) group by town order by town",
    "select kind, count(*) from (
        select 'cheap' as kind, sale from sales where price < 10
        union all select 'dear', sale from sales where price > 90
        union all select 'none', item from items where not exists (select 1 from sales where sales.item = items.item))
     group by kind order by kind",
];

/// Tables in memory, whose creation may use what a cut plan may not.
fn fill(context: &SessionContext) {
    for sql in TABLES {
        block_on(async { context.sql(sql).await.unwrap().collect().await.unwrap() });
    }
}

#[test]
fn star_queries_give_the_single_node_answer() {
    let alone = context(1, Joins::AsPlanned);
    fill(&alone);
    let mut checked = 0;
    for (partitions, joins) in
        [(1, Joins::AsPlanned), (3, Joins::AsPlanned), (4, Joins::DealtOut), (3, Joins::SortMerge)]
    {
        let cut = context(partitions, joins);
        fill(&cut);
        for sql in QUERIES {
            let expected = collect(&alone, sql);
            assert!(!expected.is_empty(), "{sql}");
            assert_eq!(expected, answer(&cut, sql, joins), "{sql}, {partitions} partitions, {joins:?}");
            checked += 1;
        }
    }
    assert_eq!(checked, 40);
}

#[test]
fn a_join_whose_build_side_is_too_large_is_sorted_and_merged() {
    let context = context(3, Joins::SortMerge);
    fill(&context);
    let sql = "select brand, price from sales join items using (item)";
    let steps = |joins| {
        let (program, _) = lowered(&context, sql, joins).unwrap();
        Runner::new(program).describe().join("\n")
    };
    assert!(steps(Joins::SortMerge).contains("SortMergeJoinExec"), "{}", steps(Joins::SortMerge));
    assert!(steps(Joins::DealtOut).contains("HashJoinExec"), "{}", steps(Joins::DealtOut));
}
