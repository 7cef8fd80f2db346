"""Measurements behind the documents' figures: `python -m benchmarks.FOLDER.NAME --help`."""
