"""Which words are committed, and who has a say: agreement of drafts, the LLM, expected words, a
second listener. Imports the hypotheses and words of `decoding`."""
