"""A method is a file, `fit(train, bench, config)`, and reads like the section of its paper."""
