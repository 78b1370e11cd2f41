"""A format is a file: `detect(text, config)`, and what else it knows of answers (see `task/format.py`)."""
