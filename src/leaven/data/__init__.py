"""Rows from files and to files, the formats they come in, and the guard against leaks."""
