"""Samples and the clock that counts them. Imports nothing of the project."""
