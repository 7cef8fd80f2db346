"""Several channels as one session: a recognizer for each, one clock, one order of events."""
