"""The wire types of the native protocol and their checks, without I/O. Imports `audio`."""
