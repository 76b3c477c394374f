"""Store, queries and rules joined into one back end: who may do what, and what it costs. No I/O."""
