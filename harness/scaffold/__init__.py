"""What `harness init` writes into a repository, decided from what is found there."""
