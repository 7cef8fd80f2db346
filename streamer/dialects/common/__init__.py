"""What all dialects share: the contract of a dialect, its conversation, settings and formatting."""
