"""One file for each command; its docstring is its help."""
