"""Who speaks: vectors in which one voice lies close to itself and far from others."""
