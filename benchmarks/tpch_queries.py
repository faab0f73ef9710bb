"""The 22 queries of TPC-H with pandas' methods.

Each takes the eight tables by name and gives what it is asked for, lazily where that is one object. `QUERIES` lists
them; `benchmarks/tpch_sql.py` holds the same questions as SQL.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Tables = dict[str, Any]


def q1(t: Tables) -> Any:
    """Pricing summary."""
    line = t["lineitem"]
    line = line[line.l_shipdate <= "1998-09-02"]
    price = line.l_extendedprice * (1 - line.l_discount)
    line = line.assign(disc_price=price, charge=price * (1 + line.l_tax))
    found = line.groupby(["l_returnflag", "l_linestatus"]).agg(
        sum_qty=("l_quantity", "sum"),
        sum_base_price=("l_extendedprice", "sum"),
        sum_disc_price=("disc_price", "sum"),
        sum_charge=("charge", "sum"),
        avg_qty=("l_quantity", "mean"),
        avg_price=("l_extendedprice", "mean"),
        avg_disc=("l_discount", "mean"),
        count_order=("l_quantity", "count"),
    )
    return found.reset_index()


def q2(t: Tables) -> Any:
    """Cheapest suppliers of a part."""
    part = t["part"]
    part = part[(part.p_size == 15) & part.p_type.str.endswith("BRASS")][["p_partkey", "p_mfgr"]]
    region = t["region"]
    region = region[region.r_name == "EUROPE"][["r_regionkey"]]
    nation = t["nation"].merge(region, left_on="n_regionkey", right_on="r_regionkey")
    supplier = t["supplier"].merge(nation, left_on="s_nationkey", right_on="n_nationkey")
    offers = t["partsupp"][["ps_partkey", "ps_suppkey", "ps_supplycost"]]
    offers = offers.merge(part, left_on="ps_partkey", right_on="p_partkey")
    offers = offers.merge(supplier, left_on="ps_suppkey", right_on="s_suppkey")
    least = offers.groupby("p_partkey").ps_supplycost.min().reset_index()
    found = offers.merge(least, on=["p_partkey", "ps_supplycost"])
    columns = ["s_acctbal", "s_name", "n_name", "p_partkey", "p_mfgr", "s_address", "s_phone", "s_comment"]
    order = ["s_acctbal", "n_name", "s_name", "p_partkey"]
    return found.sort_values(order, ascending=[False, True, True, True])[columns].head(100, compute=False)


def q3(t: Tables) -> Any:
    """Orders not shipped yet of the highest value."""
    customer, orders, line = t["customer"], t["orders"], t["lineitem"]
    customer = customer[customer.c_mktsegment == "BUILDING"][["c_custkey"]]
    orders = orders[orders.o_orderdate < "1995-03-15"][["o_orderkey", "o_custkey", "o_orderdate", "o_shippriority"]]
    line = line[line.l_shipdate > "1995-03-15"][["l_orderkey", "l_extendedprice", "l_discount"]]
    orders = orders.merge(customer, left_on="o_custkey", right_on="c_custkey")
    line = line.merge(orders, left_on="l_orderkey", right_on="o_orderkey")
    line = line.assign(revenue=line.l_extendedprice * (1 - line.l_discount))
    found = line.groupby(["l_orderkey", "o_orderdate", "o_shippriority"]).revenue.sum().reset_index()
    found = found.sort_values(["revenue", "o_orderdate"], ascending=[False, True])
    return found[["l_orderkey", "revenue", "o_orderdate", "o_shippriority"]].head(10, compute=False)


def q4(t: Tables) -> Any:
    """Late orders by priority."""
    orders, line = t["orders"], t["lineitem"]
    orders = orders[(orders.o_orderdate >= "1993-07-01") & (orders.o_orderdate < "1993-10-01")]
    late = line[line.l_commitdate < line.l_receiptdate][["l_orderkey"]]
    orders = orders.merge(late, left_on="o_orderkey", right_on="l_orderkey", how="leftsemi")
    return orders.groupby("o_orderpriority").size().to_frame("order_count").reset_index()


def q5(t: Tables) -> Any:
    """Revenue within nations of a region."""
    region, orders = t["region"], t["orders"]
    region = region[region.r_name == "ASIA"][["r_regionkey"]]
    orders = orders[(orders.o_orderdate >= "1994-01-01") & (orders.o_orderdate < "1995-01-01")]
    nation = t["nation"].merge(region, left_on="n_regionkey", right_on="r_regionkey")[["n_nationkey", "n_name"]]
    supplier = t["supplier"].merge(nation, left_on="s_nationkey", right_on="n_nationkey")
    supplier = supplier[["s_suppkey", "s_nationkey", "n_name"]]
    orders = orders[["o_orderkey", "o_custkey"]].merge(
        t["customer"][["c_custkey", "c_nationkey"]], left_on="o_custkey", right_on="c_custkey"
    )
    line = t["lineitem"][["l_orderkey", "l_suppkey", "l_extendedprice", "l_discount"]]
    line = line.merge(orders, left_on="l_orderkey", right_on="o_orderkey")
    line = line.merge(supplier, left_on=["l_suppkey", "c_nationkey"], right_on=["s_suppkey", "s_nationkey"])
    line = line.assign(revenue=line.l_extendedprice * (1 - line.l_discount))
    return line.groupby("n_name").revenue.sum().reset_index().sort_values("revenue", ascending=False)


def q6(t: Tables) -> Any:
    """What small discounts cost."""
    line = t["lineitem"]
    line = line[
        (line.l_shipdate >= "1994-01-01")
        & (line.l_shipdate < "1995-01-01")
        & line.l_discount.between(0.0499999, 0.0700001)
        & (line.l_quantity < 24)
    ]
    return (line.l_extendedprice * line.l_discount).sum()


def q7(t: Tables) -> Any:
    """Volume shipped between two nations."""
    line, nation = t["lineitem"], t["nation"]
    nation = nation[nation.n_name.isin(["FRANCE", "GERMANY"])][["n_nationkey", "n_name"]]
    line = line[(line.l_shipdate >= "1995-01-01") & (line.l_shipdate <= "1996-12-31")]
    line = line[["l_orderkey", "l_suppkey", "l_shipdate", "l_extendedprice", "l_discount"]]
    sellers = nation.rename(columns={"n_name": "supp_nation"})
    supplier = t["supplier"][["s_suppkey", "s_nationkey"]]
    supplier = supplier.merge(sellers, left_on="s_nationkey", right_on="n_nationkey")[["s_suppkey", "supp_nation"]]
    buyers = nation.rename(columns={"n_name": "cust_nation"})
    customer = t["customer"][["c_custkey", "c_nationkey"]]
    customer = customer.merge(buyers, left_on="c_nationkey", right_on="n_nationkey")[["c_custkey", "cust_nation"]]
    orders = t["orders"][["o_orderkey", "o_custkey"]].merge(customer, left_on="o_custkey", right_on="c_custkey")
    line = line.merge(supplier, left_on="l_suppkey", right_on="s_suppkey")
    line = line.merge(orders, left_on="l_orderkey", right_on="o_orderkey")
    line = line[line.supp_nation != line.cust_nation]
    line = line.assign(l_year=line.l_shipdate.dt.year, volume=line.l_extendedprice * (1 - line.l_discount))
    found = line.groupby(["supp_nation", "cust_nation", "l_year"]).volume.sum()
    return found.to_frame("revenue").reset_index()


def q8(t: Tables) -> Any:
    """Share of one nation in a market."""
    part, region, orders = t["part"], t["region"], t["orders"]
    part = part[part.p_type == "ECONOMY ANODIZED STEEL"][["p_partkey"]]
    region = region[region.r_name == "AMERICA"][["r_regionkey"]]
    orders = orders[(orders.o_orderdate >= "1995-01-01") & (orders.o_orderdate <= "1996-12-31")]
    buyers = t["nation"].merge(region, left_on="n_regionkey", right_on="r_regionkey")[["n_nationkey"]]
    customer = t["customer"][["c_custkey", "c_nationkey"]]
    customer = customer.merge(buyers, left_on="c_nationkey", right_on="n_nationkey")[["c_custkey"]]
    orders = orders[["o_orderkey", "o_custkey", "o_orderdate"]]
    orders = orders.merge(customer, left_on="o_custkey", right_on="c_custkey")
    line = t["lineitem"][["l_orderkey", "l_partkey", "l_suppkey", "l_extendedprice", "l_discount"]]
    line = line.merge(part, left_on="l_partkey", right_on="p_partkey")
    line = line.merge(orders, left_on="l_orderkey", right_on="o_orderkey")
    line = line.merge(t["supplier"][["s_suppkey", "s_nationkey"]], left_on="l_suppkey", right_on="s_suppkey")
    line = line.merge(t["nation"][["n_nationkey", "n_name"]], left_on="s_nationkey", right_on="n_nationkey")
    volume = line.l_extendedprice * (1 - line.l_discount)
    line = line.assign(o_year=line.o_orderdate.dt.year, volume=volume, own=volume.where(line.n_name == "BRAZIL", 0.0))
    found = line.groupby("o_year")[["own", "volume"]].sum().reset_index()
    found = found.assign(mkt_share=found.own / found.volume)
    return found[["o_year", "mkt_share"]]


def q9(t: Tables) -> Any:
    """Profit by nation and year on a line of parts."""
    part = t["part"]
    part = part[part.p_name.str.contains("green")][["p_partkey"]]
    supplier = t["supplier"][["s_suppkey", "s_nationkey"]]
    supplier = supplier.merge(t["nation"][["n_nationkey", "n_name"]], left_on="s_nationkey", right_on="n_nationkey")
    line = t["lineitem"][["l_orderkey", "l_partkey", "l_suppkey", "l_quantity", "l_extendedprice", "l_discount"]]
    line = line.merge(part, left_on="l_partkey", right_on="p_partkey")
    offers = t["partsupp"][["ps_partkey", "ps_suppkey", "ps_supplycost"]]
    line = line.merge(offers, left_on=["l_partkey", "l_suppkey"], right_on=["ps_partkey", "ps_suppkey"])
    line = line.merge(supplier, left_on="l_suppkey", right_on="s_suppkey")
    line = line.merge(t["orders"][["o_orderkey", "o_orderdate"]], left_on="l_orderkey", right_on="o_orderkey")
    profit = line.l_extendedprice * (1 - line.l_discount) - line.ps_supplycost * line.l_quantity
    line = line.assign(o_year=line.o_orderdate.dt.year, profit=profit)
    found = line.groupby(["n_name", "o_year"]).profit.sum().reset_index()
    return found.sort_values(["n_name", "o_year"], ascending=[True, False])


def q10(t: Tables) -> Any:
    """Customers who returned the most."""
    orders, line = t["orders"], t["lineitem"]
    orders = orders[(orders.o_orderdate >= "1993-10-01") & (orders.o_orderdate < "1994-01-01")]
    line = line[line.l_returnflag == "R"][["l_orderkey", "l_extendedprice", "l_discount"]]
    line = line.merge(orders[["o_orderkey", "o_custkey"]], left_on="l_orderkey", right_on="o_orderkey")
    line = line.assign(revenue=line.l_extendedprice * (1 - line.l_discount))
    lost = line.groupby("o_custkey").revenue.sum().reset_index()
    found = lost.merge(t["customer"], left_on="o_custkey", right_on="c_custkey")
    found = found.merge(t["nation"], left_on="c_nationkey", right_on="n_nationkey")
    columns = ["c_custkey", "c_name", "revenue", "c_acctbal", "n_name", "c_address", "c_phone", "c_comment"]
    return found.sort_values("revenue", ascending=False)[columns].head(20, compute=False)


def q11(t: Tables) -> Any:
    """Stocks that matter in one nation."""
    nation = t["nation"]
    nation = nation[nation.n_name == "GERMANY"][["n_nationkey"]]
    supplier = t["supplier"].merge(nation, left_on="s_nationkey", right_on="n_nationkey")[["s_suppkey"]]
    stock = t["partsupp"].merge(supplier, left_on="ps_suppkey", right_on="s_suppkey")
    stock = stock.assign(value=stock.ps_supplycost * stock.ps_availqty)
    found = stock.groupby("ps_partkey").value.sum().reset_index()
    found = found[found.value > stock.value.sum() * 0.0001]
    return found.sort_values("value", ascending=False)


def q12(t: Tables) -> Any:
    """Ways of shipping and priorities."""
    line = t["lineitem"]
    line = line[
        line.l_shipmode.isin(["MAIL", "SHIP"])
        & (line.l_commitdate < line.l_receiptdate)
        & (line.l_shipdate < line.l_commitdate)
        & (line.l_receiptdate >= "1994-01-01")
        & (line.l_receiptdate < "1995-01-01")
    ][["l_orderkey", "l_shipmode"]]
    line = line.merge(t["orders"][["o_orderkey", "o_orderpriority"]], left_on="l_orderkey", right_on="o_orderkey")
    high = line.o_orderpriority.isin(["1-URGENT", "2-HIGH"])
    line = line.assign(high=high, low=~high)
    found = line.groupby("l_shipmode")[["high", "low"]].sum()
    return found.reset_index()


def q13(t: Tables) -> Any:
    """How many customers have how many orders."""
    orders = t["orders"]
    orders = orders[~orders.o_comment.str.contains("special.*requests")][["o_orderkey", "o_custkey"]]
    customer = t["customer"][["c_custkey"]].merge(orders, left_on="c_custkey", right_on="o_custkey", how="left")
    counts = customer.groupby("c_custkey").o_orderkey.count().to_frame("c_count").reset_index()
    found = counts.groupby("c_count").size().to_frame("custdist").reset_index()
    return found.sort_values(["custdist", "c_count"], ascending=False)


def q14(t: Tables) -> Any:
    """Share of promotions in revenue, in percent."""
    line = t["lineitem"]
    line = line[(line.l_shipdate >= "1995-09-01") & (line.l_shipdate < "1995-10-01")]
    line = line[["l_partkey", "l_extendedprice", "l_discount"]]
    line = line.merge(t["part"][["p_partkey", "p_type"]], left_on="l_partkey", right_on="p_partkey")
    revenue = line.l_extendedprice * (1 - line.l_discount)
    line = line.assign(revenue=revenue, promoted=revenue.where(line.p_type.str.startswith("PROMO"), 0.0))
    sums = line[["promoted", "revenue"]].sum().compute()
    return 100 * sums["promoted"] / sums["revenue"]


def q15(t: Tables) -> Any:
    """The best supplier."""
    line = t["lineitem"]
    line = line[(line.l_shipdate >= "1996-01-01") & (line.l_shipdate < "1996-04-01")]
    line = line.assign(total_revenue=line.l_extendedprice * (1 - line.l_discount))
    # Kept: sums of floats that are made twice may differ in the last digit.
    revenue = line.groupby("l_suppkey").total_revenue.sum().reset_index().persist()
    best = revenue[revenue.total_revenue == revenue.total_revenue.max()]
    found = t["supplier"].merge(best, left_on="s_suppkey", right_on="l_suppkey")
    return found.sort_values("s_suppkey")[["s_suppkey", "s_name", "s_address", "s_phone", "total_revenue"]]


def q16(t: Tables) -> Any:
    """Who could supply parts."""
    part, supplier = t["part"], t["supplier"]
    part = part[
        (part.p_brand != "Brand#45")
        & ~part.p_type.str.startswith("MEDIUM POLISHED")
        & part.p_size.isin([49, 14, 23, 45, 19, 3, 36, 9])
    ]
    bad = supplier[supplier.s_comment.str.contains("Customer.*Complaints")][["s_suppkey"]]
    offers = t["partsupp"][["ps_partkey", "ps_suppkey"]].merge(part, left_on="ps_partkey", right_on="p_partkey")
    offers = offers.merge(bad, left_on="ps_suppkey", right_on="s_suppkey", how="leftanti")
    found = offers.groupby(["p_brand", "p_type", "p_size"]).ps_suppkey.nunique().to_frame("supplier_cnt").reset_index()
    order = ["supplier_cnt", "p_brand", "p_type", "p_size"]
    return found.sort_values(order, ascending=[False, True, True, True])


def q17(t: Tables) -> Any:
    """What small orders of a part bring in a year."""
    part = t["part"]
    part = part[(part.p_brand == "Brand#23") & (part.p_container == "MED BOX")][["p_partkey"]]
    line = t["lineitem"][["l_partkey", "l_quantity", "l_extendedprice"]]
    line = line.merge(part, left_on="l_partkey", right_on="p_partkey")
    usual = line.groupby("p_partkey").l_quantity.mean().to_frame("usual").reset_index()
    line = line.merge(usual, on="p_partkey")
    return line[line.l_quantity < 0.2 * line.usual].l_extendedprice.sum() / 7.0


def q18(t: Tables) -> Any:
    """Large orders."""
    line = t["lineitem"][["l_orderkey", "l_quantity"]]
    amounts = line.groupby("l_orderkey", sort=False).l_quantity.sum().to_frame("amount").reset_index()
    large = amounts[amounts.amount > 300]
    orders = t["orders"][["o_orderkey", "o_custkey", "o_orderdate", "o_totalprice"]]
    found = orders.merge(large, left_on="o_orderkey", right_on="l_orderkey")
    found = found.merge(t["customer"][["c_custkey", "c_name"]], left_on="o_custkey", right_on="c_custkey")
    columns = ["c_name", "c_custkey", "o_orderkey", "o_orderdate", "o_totalprice", "amount"]
    found = found.sort_values(["o_totalprice", "o_orderdate"], ascending=[False, True])
    return found[columns].head(100, compute=False)


def q19(t: Tables) -> Any:
    """Revenue of parts handled by hand."""
    line, part = t["lineitem"], t["part"]
    line = line[line.l_shipmode.isin(["AIR", "REG AIR"]) & (line.l_shipinstruct == "DELIVER IN PERSON")]
    line = line[["l_partkey", "l_quantity", "l_extendedprice", "l_discount"]]
    columns = ["p_partkey", "p_brand", "p_container", "p_size"]
    line = line.merge(part[columns], left_on="l_partkey", right_on="p_partkey")

    def kind(brand: str, containers: list[str], quantity: int, size: int) -> Any:
        return (
            (line.p_brand == brand)
            & line.p_container.isin(containers)
            & line.l_quantity.between(quantity, quantity + 10)
            & line.p_size.between(1, size)
        )

    wanted = (
        kind("Brand#12", ["SM CASE", "SM BOX", "SM PACK", "SM PKG"], 1, 5)
        | kind("Brand#23", ["MED BAG", "MED BOX", "MED PKG", "MED PACK"], 10, 10)
        | kind("Brand#34", ["LG CASE", "LG BOX", "LG PACK", "LG PKG"], 20, 15)
    )
    line = line[wanted]
    return (line.l_extendedprice * (1 - line.l_discount)).sum()


def q20(t: Tables) -> Any:
    """Suppliers with more of a part than they need."""
    part, line, nation = t["part"], t["lineitem"], t["nation"]
    part = part[part.p_name.str.startswith("forest")][["p_partkey"]]
    nation = nation[nation.n_name == "CANADA"][["n_nationkey"]]
    line = line[(line.l_shipdate >= "1994-01-01") & (line.l_shipdate < "1995-01-01")]
    line = line[["l_partkey", "l_suppkey", "l_quantity"]]
    line = line.merge(part, left_on="l_partkey", right_on="p_partkey", how="leftsemi")
    sold = line.groupby(["l_partkey", "l_suppkey"]).l_quantity.sum().to_frame("sold").reset_index()
    offers = t["partsupp"][["ps_partkey", "ps_suppkey", "ps_availqty"]]
    offers = offers.merge(sold, left_on=["ps_partkey", "ps_suppkey"], right_on=["l_partkey", "l_suppkey"])
    offers = offers[offers.ps_availqty > 0.5 * offers.sold][["ps_suppkey"]]
    supplier = t["supplier"].merge(nation, left_on="s_nationkey", right_on="n_nationkey", how="leftsemi")
    found = supplier.merge(offers, left_on="s_suppkey", right_on="ps_suppkey", how="leftsemi")
    return found[["s_name", "s_address"]].sort_values("s_name")


def q21(t: Tables) -> Any:
    """Suppliers who alone kept orders waiting."""
    orders, nation = t["orders"], t["nation"]
    orders = orders[orders.o_orderstatus == "F"][["o_orderkey"]]
    nation = nation[nation.n_name == "SAUDI ARABIA"][["n_nationkey"]]
    line = t["lineitem"][["l_orderkey", "l_suppkey", "l_receiptdate", "l_commitdate"]]
    line = line.assign(late=line.l_receiptdate > line.l_commitdate)
    late = line[line.late][["l_orderkey", "l_suppkey"]]
    # Orders of several suppliers, of whom one was late.
    several = line.groupby("l_orderkey", sort=False).agg(low=("l_suppkey", "min"), high=("l_suppkey", "max"))
    several = several.reset_index()
    several = several[several.low != several.high][["l_orderkey"]]
    alone = late.groupby("l_orderkey", sort=False).agg(low=("l_suppkey", "min"), high=("l_suppkey", "max"))
    alone = alone.reset_index()
    alone = alone[alone.low == alone.high][["l_orderkey"]]
    supplier = t["supplier"][["s_suppkey", "s_name", "s_nationkey"]]
    supplier = supplier.merge(nation, left_on="s_nationkey", right_on="n_nationkey", how="leftsemi")
    waiting = late.merge(supplier, left_on="l_suppkey", right_on="s_suppkey")
    waiting = waiting.merge(orders, left_on="l_orderkey", right_on="o_orderkey", how="leftsemi")
    waiting = waiting.merge(several, on="l_orderkey", how="leftsemi").merge(alone, on="l_orderkey", how="leftsemi")
    found = waiting.groupby("s_name").size().to_frame("numwait").reset_index()
    return found.sort_values(["numwait", "s_name"], ascending=[False, True]).head(100, compute=False)


def q22(t: Tables) -> Any:
    """Customers who might buy again."""
    customer = t["customer"][["c_custkey", "c_phone", "c_acctbal"]]
    customer = customer.assign(cntrycode=customer.c_phone.str.slice(0, 2))
    customer = customer[customer.cntrycode.isin(["13", "31", "23", "29", "30", "18", "17"])]
    usual = customer[customer.c_acctbal > 0.0].c_acctbal.mean()
    rich = customer[customer.c_acctbal > usual]
    idle = rich.merge(t["orders"][["o_custkey"]], left_on="c_custkey", right_on="o_custkey", how="leftanti")
    found = idle.groupby("cntrycode").agg(numcust=("c_acctbal", "count"), totacctbal=("c_acctbal", "sum"))
    return found.reset_index()


QUERIES: dict[int, Callable[[Tables], Any]] = {
    number: globals()[f"q{number}"] for number in range(1, 23)
}  # in their own order
