"""The Moonshine speech model: tokenizer, encoder, decoder, and the graphs they run on."""
