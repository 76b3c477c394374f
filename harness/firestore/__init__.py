"""The Firestore engine: documents, queries, indexes, transactions. Pure: no sockets, no clocks."""
