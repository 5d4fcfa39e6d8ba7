"""The suite's own test servant: what criteria need of a server, on the suite's own core.

It is packaged to run under a node (`lab.tars.package.build_servant`), and offers the echo
servant's interface and `functions`.
"""
