"""Causal language models that score text."""
