"""The same server on many machines, on Ray Serve (extra `cluster`).

Imports `app` and what is below it.
"""
