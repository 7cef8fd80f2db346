"""Recordings and streams of any format as frames of samples, decoded beside the program."""
