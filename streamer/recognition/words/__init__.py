"""From the sound of an open segment to its words: by draft and LLM, by the second listener alone,
or whichever of them the language asks for."""
