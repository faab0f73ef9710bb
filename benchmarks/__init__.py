"""Measures raskal against its peers: `python -m benchmarks` (or `make bench`).

Start at `runner`; a case is one function per library in one of the modules that `case.MODULES` names. Each sample is
taken in a fresh process, the libraries take turns within one run, and an answer is checked before its library is timed.
Numbers are never edited by hand: the tables are made from the raw results.
"""
