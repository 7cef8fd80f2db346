"""Whisper on CTranslate2: the second listener, which hears a stretch once more as a whole."""
