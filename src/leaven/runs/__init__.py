"""What every run shares: its folder, the lock on it, progress, and the journal of what went into it."""
