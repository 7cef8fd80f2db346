"""What can be measured in the voice of a session, word by word, without a model."""
