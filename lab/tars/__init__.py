"""Tars: protocol core without sockets, the clients over it, the echo servant, the recipe.

`framing` splits a byte stream, `packets` and `body` read and write what is in a frame,
`client` speaks it over TCP, `queryf` and `echo_client` are typed proxies.
Whatever a server or a peer does wrong arrives as a `lab.tars.errors.TarsError`.
"""
