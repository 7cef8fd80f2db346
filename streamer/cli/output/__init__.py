"""What the commands show and write. Imports `transcript` and the client."""
