"""When a speaker's turn begins and ends: for programs that answer."""
