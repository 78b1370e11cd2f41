"""Models whose logits, hidden states and gradients can be seen."""
