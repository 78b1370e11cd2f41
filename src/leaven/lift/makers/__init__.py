"""A maker is a file: `make(data, llm, config, seed)` returns rows, and what could not be made."""
