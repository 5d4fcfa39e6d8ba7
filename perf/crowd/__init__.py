"""Students by the hundred: what joins a classroom and takes its media, in a process of its own.

`perf.crowd.worker` is that process, an asyncio loop beside Locust's gevent; its users speak to
it by `perf.crowd.messenger`. Nothing here depends on gevent or on Locust.
"""
