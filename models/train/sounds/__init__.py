"""The classifier of sounds, taken from the package that publishes it."""
