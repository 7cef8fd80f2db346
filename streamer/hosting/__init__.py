"""Sessions that outlive their connections: resume, follow, places.

Imports `session` and what is below it.
"""
