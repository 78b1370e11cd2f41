"""Make rows with a language model: a maker is a file, `make(data, llm, config, …)`."""
