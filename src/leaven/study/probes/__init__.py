"""A probe is a file: `measure(loaded, task)` yields measures of trained weights."""
