"""How late, for how many and for how long: the real server, and its peers."""
