"""The emotion classifier: loading, classifying, and following the label over time."""
