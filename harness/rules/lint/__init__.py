"""Finds in a ruleset what loads and decides, but hardly as it was meant."""
