"""Whether music is heard: the classifier of sounds, and what it hears."""
