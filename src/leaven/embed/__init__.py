"""Embedders: text in, one row of numbers each."""
