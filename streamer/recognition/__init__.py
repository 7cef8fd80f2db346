"""One stream's recognizer, and the engine that serves all of them.

Imports `decoding` and what is below it.
"""
