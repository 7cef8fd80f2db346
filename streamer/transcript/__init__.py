"""What was said: the word ledger, its events, cues and file formats. Imports `audio`."""
