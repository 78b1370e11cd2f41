"""The small world, the tiny model pretrained on it, and its study: why a study runs on a laptop."""
