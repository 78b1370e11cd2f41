"""Raise a small dataset: adapt an open language model from few examples, with the proof beside it."""
