"""The texts that leaven says to a model: templates, filled in by `render`."""
