"""What hears, reads and feels. Imports `streamer.audio` and itself."""
