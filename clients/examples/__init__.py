"""Programs that use the client, to start from."""
