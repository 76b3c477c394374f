"""Load: when calls are to be made, and what their latencies say. Numbers in, numbers out."""
