"""Text in, text out: engines that answer prompts, and what stands between them and a caller."""
