"""Two devices as the two channels of a session."""
