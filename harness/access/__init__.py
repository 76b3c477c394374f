"""The access matrix: who may do what, as one table, decided in process."""
