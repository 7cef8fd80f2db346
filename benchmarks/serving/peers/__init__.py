"""Streaming peers beside our server: same audio, same machine, in turns within one run."""
