"""Measure weights: a probe is a file, `measure(model, tokenizer, token, …)`."""
