"""Work beyond one process: pieces that machines of a Ray cluster carry out, or this process, by the same functions."""
