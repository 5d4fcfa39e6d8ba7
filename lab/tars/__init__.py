"""Tars: protocol core without sockets, the clients over it, the echo servant, the recipe.

`framing` splits a byte stream, `packets` and `body` read and write what is in a frame,
`client` speaks it over TCP, `queryf` and `echo_client` are typed proxies. `idl` reads `.tars`
files and types calls by them, `interfaces` has those of Tars' own objects, `dissect` says what
is in frames. Whatever a server or a peer does wrong arrives as a `lab.tars.errors.TarsError`.
"""
