"""Rows: examples, tables of them, files from and to, the guard against leaks, export."""
