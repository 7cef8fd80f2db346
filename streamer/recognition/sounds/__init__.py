"""Sounds that are no speech: heard beside the words, if asked for."""
