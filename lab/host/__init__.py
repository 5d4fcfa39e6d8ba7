"""How a host is reached. Nothing outside this package imports an SSH library."""
