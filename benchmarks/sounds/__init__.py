"""Sounds that are no speech."""
