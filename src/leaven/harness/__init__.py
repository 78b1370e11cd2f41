"""Public benchmarks of what a model knows beside its task, by EleutherAI's lm-evaluation-harness."""
