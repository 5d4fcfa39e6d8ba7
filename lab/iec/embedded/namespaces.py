"""Network and mount namespaces, held by descriptors (namespaces(7)); all of Linux's own calls.

A process of ours enters one by its path, ``/proc/1/fd/N``: the first process of the cluster
holds every namespace, so that all are gone when it is.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import socket
import struct
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")

_CLONE_NEWNET = 0x40000000  # <linux/sched.h>
_SIOCSIFFLAGS = 0x8914  # <linux/sockios.h>
_IFF_UP_AND_RUNNING = 0x1 | 0x40  # <linux/if.h>

_libc = ctypes.CDLL(None, use_errno=True)


def path(descriptor: int) -> str:
    """How any process of the cluster names a namespace that we hold."""
    return f"/proc/{os.getpid()}/fd/{descriptor}"


def new_network() -> int:
    """A new network namespace, its loopback interface up; returns what holds it."""
    return _in_thread(_make_network)


def _make_network() -> int:
    _check(_libc.unshare(_CLONE_NEWNET))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        request = struct.pack("16sH14x", b"lo", _IFF_UP_AND_RUNNING)
        fcntl.ioctl(any_socket, _SIOCSIFFLAGS, request)
    return os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)


class SocketsWithin:
    """Makes sockets in a network namespace: a thread of ours lives there."""

    def __init__(self, network: int) -> None:
        self._thread = ThreadPoolExecutor(1, "network", initializer=_enter, initargs=(network,))

    def new(self) -> socket.socket:
        """A TCP socket over IPv4 that does not block."""
        made = self._thread.submit(socket.socket, socket.AF_INET, socket.SOCK_STREAM).result()
        made.setblocking(False)
        return made

    def close(self) -> None:
        self._thread.shutdown()


def _enter(network: int) -> None:
    _check(_libc.setns(network, _CLONE_NEWNET))


def _in_thread(make: Callable[[], T]) -> T:
    """The result of ``make`` in a thread that ends then, with the namespaces that it entered."""
    future: Future[T] = Future()

    def work() -> None:
        try:
            future.set_result(make())
        except OSError as error:
            future.set_exception(error)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    return future.result()


def _check(status: int) -> None:
    if status != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
