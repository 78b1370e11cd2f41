"""Models with weights: loading, sampling, templates, training with LoRA, adapters. The only room with tensors."""
