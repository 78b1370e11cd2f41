"""An embedder is a file: `load(model)` returns a function from texts to vectors."""
