"""What the tests stand on: a running Sendlog, a team in it, and the servers it sends to."""
