"""Recipes of the weights that are trained here; nothing imports them at run time."""
