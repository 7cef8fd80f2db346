"""Other services' protocols as views of the same session. Imports `server` and what is below it."""
