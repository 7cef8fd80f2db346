"""Where speech models other than those for a CPU come in: by name, or on a card."""
