"""Seeds: what databases hold at the start, as a YAML file that people read and write."""
