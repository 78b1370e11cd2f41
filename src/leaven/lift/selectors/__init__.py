"""A selector is a file: `select(data, config, context)`."""
