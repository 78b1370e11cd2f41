"""DELIA: instructions said in many ways, self-sampled rows, the buffer, and the methods of its tables."""
