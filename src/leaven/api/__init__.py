"""What `leaven` offers in Python, and its commands call: read, delia, compare, lift, select."""
