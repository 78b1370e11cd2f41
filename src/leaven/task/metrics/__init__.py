"""A metric is a file: `score(answers, examples, config)`."""
