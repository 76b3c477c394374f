"""The workflow document: reading it, ticking it, and what its items are worth. Pure: text in, text
out."""
