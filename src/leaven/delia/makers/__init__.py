"""A maker is a file: `make(…)` returns rows, and what could not be made."""
