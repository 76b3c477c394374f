"""Speed, measured side by side: medians and ratios to read, never a pass or a fail."""
