"""The embedded lab's hosts: SSH servers on loopback addresses, their life and their death.

`lifecycle` brings a lab up, looks at it and takes it down. A lab is three generations of
processes: `init` (ends everything, whatever happens), the SSH server of all hosts
(`sshd`), and what runs on the hosts.
"""
