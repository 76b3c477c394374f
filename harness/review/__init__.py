"""What a ruleset is worth: its difference from another, and which faults in it would be noticed."""
