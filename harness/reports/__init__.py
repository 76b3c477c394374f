"""What a run found, ready to print: one model, and one module for each format. Pure: model in, text
out."""
