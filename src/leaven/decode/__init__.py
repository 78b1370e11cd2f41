"""Answers that a base model gives without training: two prompts in arithmetic, hints from a dictionary."""
