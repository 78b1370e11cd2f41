"""An engine is a file: text in, text out."""
