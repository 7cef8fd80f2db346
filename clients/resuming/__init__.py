"""How a session goes on over connections that break, and over sessions that are lost."""
