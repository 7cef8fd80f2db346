"""How words are written: casing, numbers as people read them, what is masked. Before the ledger."""
