"""Whisper of the transformers library as second listener, batched over sessions, on a card."""
