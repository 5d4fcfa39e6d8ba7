"""The embedded cluster: a real control plane, etcd and Calico, with nodes that are namespaces.

It needs no root: all of it lives in one user namespace, with networks, mounts and process ids
of its own, and is gone when the first process there ends. What is ours is the node agent, which
does a kubelet's work where this suite asks for it (`node`, `pod`, `kubelet`).
"""
