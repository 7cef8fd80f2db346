"""The Wyoming protocol, as Home Assistant speaks it."""
