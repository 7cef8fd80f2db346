"""Delay, load, memory and faults of the running server."""
