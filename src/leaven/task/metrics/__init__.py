"""A metric is a file: `score(answers, rows, scoring)` yields measures (`task/scoring.py`)."""
