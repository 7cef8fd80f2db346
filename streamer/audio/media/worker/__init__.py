"""Decodes one recording or stream with FFmpeg's libraries, in a process of its own.

What a stranger's file does to a decoder happens there: a crash, memory without end and computing
without end take that process along and nothing else, and it can open no file beside its input.
Imports nothing of the project but what is in this folder, so that it starts soon.
"""
