"""Embeddings in blocks: their file, their store, their components, their neighbours."""
