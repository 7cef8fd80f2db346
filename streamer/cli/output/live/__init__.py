"""Captions to where they are read while somebody speaks: an HLS playlist, a Zoom meeting."""
