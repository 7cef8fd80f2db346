"""What hears, reads and feels. Imports nothing of the project but itself."""
