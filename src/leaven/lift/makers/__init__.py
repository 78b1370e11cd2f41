"""A maker is a file: `make(data, llm, config, seed)` returns rows, and what could not be made.

Where `REPLACES` stands in it, the rows that it was given leave for that reason, each as soon as its new one is there.
"""
