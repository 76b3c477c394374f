"""The embedded Firestore's process: sockets, gRPC, HTTP, and what runs the store behind them."""
