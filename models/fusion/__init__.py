"""How the ear, the LLM and the expected words decide together."""
