"""When turns are taken to be over, and how late."""
