"""Static networks: who owes whom, cleared, shocked, valued, and reconstructed from totals."""
