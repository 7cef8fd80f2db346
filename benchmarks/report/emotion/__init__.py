"""What was measured of the emotion classifier, as documents tell it."""
