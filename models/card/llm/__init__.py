"""Language models of the transformers library on a card, batched over sessions."""
