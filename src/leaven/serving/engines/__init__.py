"""Engines, a file each: what it loads, and how it is asked."""
