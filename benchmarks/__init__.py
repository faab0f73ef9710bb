"""Measures raskal against its peers. Start at `__main__`; it never edits a number by hand."""
