"""Load engines for more calls than a process of Locust can make.

`windowed`: so many requests in flight on each connection, for saturation. `openloop`: requests
at due times, whatever the answers take. Both work on batches in numpy; no step is taken for
each single request as long as the replies are as they should be.
"""
