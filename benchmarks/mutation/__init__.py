"""Every parser of foreign bytes against millions of mutated inputs: none may crash, hang or grow.

`mutator` makes the inputs, `catalogue` lists the parsers, `trial` tries one in a bounded
process, `watch` guards that process, `ledger` keeps what was tried. ``./iec4 bench parsers``.
"""
