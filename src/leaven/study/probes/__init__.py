"""A probe is a file: `measure(loaded, token, tests)` looks at trained weights."""
