"""A tuned adapter as engines take it, and whether each of them gives the tuned model's answers."""
