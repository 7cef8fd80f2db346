"""What can be asked over HTTP, told to programs (OpenAPI) and to people."""
