"""The command line of the benchmarks. Start at `main`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from benchmarks import report, runner
from benchmarks.case import cases
from examples.make_data import SIZES


def main() -> int:
    """Run the chosen cases and write the report of the day."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="raskal against its peers")
    parser.add_argument("--case", action="append", metavar="NAME", help="a case or the start of its name; repeatable")
    parser.add_argument("--library", action="append", metavar="NAME", help="only these libraries; repeatable")
    parser.add_argument("--size", choices=list(SIZES), default="full")
    parser.add_argument("--rounds", type=int, default=3, help="samples of each library (default: %(default)s)")
    parser.add_argument("--list", action="store_true", help="name the cases and stop")
    parser.add_argument("--report", type=Path, metavar="FOLDER", help="only write the report of a folder of results")
    args = parser.parse_args()
    if args.report:
        print(report.write(args.report))
        return 0
    everything = list(cases())
    chosen = [case for case in everything if not args.case or any(case.name.startswith(name) for name in args.case)]
    if args.list:
        print("\n".join(f"{case.name:<18}{case.title}: {', '.join(case.libraries)}" for case in chosen))
        return 0
    if not chosen:
        parser.error(f"no case is named like {args.case}; cases: {', '.join(case.name for case in everything)}")
    path = runner.run(chosen, SIZES[args.size], args.rounds, set(args.library) if args.library else None)
    print(f"\nraw results: {path}\nreport: {report.write(path.parent)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
