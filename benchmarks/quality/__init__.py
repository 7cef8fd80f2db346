"""How right: words, marks and expected words, whole and streaming."""
