"""The voice encoder's weights, from the package that ships them to a graph."""
