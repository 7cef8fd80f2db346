"""Speech models of the transformers library behind the contract of the project's own decoder."""
