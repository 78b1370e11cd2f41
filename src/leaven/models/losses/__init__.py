"""What a tuning makes small: each file has `loss(model, batch)`, summed over the trained tokens of a forward pass."""
