"""The native websocket protocol on the network. Imports `hosting` and what is below it."""
