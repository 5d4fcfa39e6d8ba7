"""The framework's optional servants, each a server of its own that a node runs.

They are deployed as on the real platform: servers of the application ``tars``, published
through TarsWeb to the node that a lab has them on.
"""
