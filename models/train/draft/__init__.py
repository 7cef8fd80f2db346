"""Teaches the draft decoder to stop where the sound is cut off."""
