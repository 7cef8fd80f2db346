"""A recognizer on the event loop: audio in, events out.

Imports `recognition`, `protocol` and what is below them.
"""
