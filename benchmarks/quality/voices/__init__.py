"""Conversations whose speakers are known, and how wrongly they are told apart."""
