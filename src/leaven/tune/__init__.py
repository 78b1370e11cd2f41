"""New tokens, masks, batches, training with LoRA, and adapters on disk."""
