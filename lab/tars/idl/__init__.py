"""Tars' interface language: `.tars` files read, and calls typed by them.

`load` gives an `Api`; its proxies call objects with a method for each function.
"""

from lab.tars.idl.api import Api, Interface, Method, NotDefined, Options, TypedProxy, load, loads
from lab.tars.idl.syntax import IdlError

__all__ = [
    "Api",
    "IdlError",
    "Interface",
    "Method",
    "NotDefined",
    "Options",
    "TypedProxy",
    "load",
    "loads",
]
