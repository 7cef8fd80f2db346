"""How well the emotion is told: on corpora, for any speakers, live."""
