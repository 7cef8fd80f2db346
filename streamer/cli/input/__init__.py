"""What commands are given to hear."""
