"""A selector is a file: `score(data, config, context)`, which may cost, and `choose(data, scores, config, context)`."""
