"""The embedded Tars platform: a master and nodes that really deploy, on loopback hosts."""
