"""A child's output: all of it, and no waiting for what it left behind."""

from __future__ import annotations

import asyncio
import os
import subprocess

from lab.child import end_of, output_of


async def _all_of(script: str) -> bytes:
    """The output of a script that is looked at only when the script has ended."""
    with subprocess.Popen(["/bin/sh", "-c", script], stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        ended = asyncio.create_task(end_of(child))
        await ended
        return b"".join([piece async for piece in output_of(child.stdout, ended)])


def test_what_lies_in_the_pipe_at_its_end_is_not_lost() -> None:
    async def read() -> bytes:
        async with asyncio.timeout(10):
            return await _all_of("sleep 20 & echo $!; head -c 60000 /dev/zero")

    pid, _, rest = asyncio.run(read()).partition(b"\n")
    os.kill(int(pid), 0)  # the daemon that holds the pipe open was not waited for
    os.kill(int(pid), 9)
    assert rest == bytes(60000)


def test_a_full_pipe_leaves_the_loop_its_turn_between_two_pieces() -> None:
    async def read() -> tuple[int, int]:
        loop = asyncio.get_running_loop()
        turns = 0

        def count() -> None:
            nonlocal turns
            turns += 1
            loop.call_soon(count)

        count()
        with subprocess.Popen(
            ["/bin/sh", "-c", "head -c 3000000 /dev/zero"], stdout=subprocess.PIPE
        ) as child:
            assert child.stdout is not None
            ended = asyncio.create_task(end_of(child))
            pieces = [len(piece) async for piece in output_of(child.stdout, ended)]
        assert turns >= len(pieces)
        return sum(pieces), await ended

    assert asyncio.run(read()) == (3_000_000, 0)
