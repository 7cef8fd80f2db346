"""The documents' tables, written from `benchmarks/results`: measures nothing, loads no models."""
