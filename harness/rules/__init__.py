"""Security Rules: text to tokens to a tree to closures, and requests to decisions. `ruleset.py` is
the front door.
"""
