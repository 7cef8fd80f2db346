"""The recipe of an LLM that hears."""
