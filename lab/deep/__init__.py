"""The deep lab's hosts: namespace machines on this machine's kernel, each a root of its own.

A machine has its own network, mounts, host name, processes, accounts and OpenSSH server;
its root is an overlay over this machine's, in memory. All of it is held by processes alone:
when they end, however they end, the kernel removes namespaces, mounts, interfaces and files.
`lifecycle` brings a lab up; `keeper` holds its network and starts its machines; `machine`
becomes the first process of one; `faults` says what can go wrong with one on request.
"""
