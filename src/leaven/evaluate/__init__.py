"""Score answers: a metric is a file, `score(answers, examples, config)`."""
