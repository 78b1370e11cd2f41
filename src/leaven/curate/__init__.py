"""Selectors: each keeps some of the rows that it gets, and says why the others go."""
