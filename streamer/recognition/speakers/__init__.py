"""Who speaks: windows of speech as vectors, the voices among them, and a label for every word."""
