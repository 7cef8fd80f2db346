"""The recipe of the emotion classifier."""
