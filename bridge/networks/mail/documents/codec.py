"""An external command that opens what only a licensed codec can (Apicrypt v1): bytes in, bytes out, bounded."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal

from pydantic import BaseModel, ConfigDict, Field

from bridge.errors import Refused, Unavailable

_LIMIT = 1 << 16  # bytes read ahead of us


class CodecSettings(BaseModel):
    """The command of a site with the licensed codec: encrypted bytes in by stdin, clear ones out by stdout.

    ``argv`` is run without a shell; exit code 0 means opened, 75 (EX_TEMPFAIL) try again, anything else refused.
    ``timeout`` is for one run, in seconds; ``max_bytes`` bounds what it may write; of our environment it
    sees PATH only, beside what ``environment`` gives.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    argv: tuple[str, ...] = Field(min_length=1)
    timeout: float = Field(default=30.0, gt=0)
    max_bytes: int = Field(default=32 << 20, ge=1)
    environment: dict[str, str] = {}


async def decode(settings: CodecSettings, block: bytes) -> bytes:
    """The clear bytes of ``block``.

    Raises Refused (``codec_refused``, ``codec_too_large``) and Unavailable (``codec_missing``, ``codec_timeout``,
    ``codec_later``). What the command writes to stderr is dropped: it may hold content.
    """
    try:
        transport, process = await _start(settings)
    except OSError:
        raise Unavailable("codec_missing") from None
    try:
        async with asyncio.timeout(settings.timeout):
            clear = await _talk(process, block, settings.max_bytes)
            code = await process.wait()
    except TimeoutError:
        raise Unavailable("codec_timeout") from None
    finally:
        await _end(transport, process)
    if code == os.EX_TEMPFAIL:
        raise Unavailable("codec_later")
    if code != 0:
        raise Refused("codec_refused", about=f"exit {code}")
    return clear


async def _start(settings: CodecSettings) -> tuple[asyncio.SubprocessTransport, asyncio.subprocess.Process]:
    """The running command in a process group of its own; the transport is what can close its pipes."""
    loop = asyncio.get_running_loop()
    transport, protocol = await loop.subprocess_exec(
        lambda: asyncio.subprocess.SubprocessStreamProtocol(limit=_LIMIT, loop=loop),
        *settings.argv,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        env={"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C.UTF-8", **settings.environment},
        start_new_session=True,
    )
    return transport, asyncio.subprocess.Process(transport, protocol, loop)


async def _talk(process: asyncio.subprocess.Process, block: bytes, most: int) -> bytes:
    """Write all, read all, at the same time: either side may wait for the other."""
    assert process.stdin is not None
    assert process.stdout is not None
    writing = asyncio.create_task(_write(process.stdin, block))
    try:
        return await _read(process.stdout, most)
    finally:
        writing.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await writing


async def _write(stdin: asyncio.StreamWriter, block: bytes) -> None:
    """A command that does not want all of its input is judged by its exit code."""
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        stdin.write(block)
        await stdin.drain()
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        stdin.close()
        await stdin.wait_closed()


async def _read(stdout: asyncio.StreamReader, most: int) -> bytes:
    clear = bytearray()
    while chunk := await stdout.read(1 << 16):
        clear += chunk
        if len(clear) > most:
            raise Refused("codec_too_large", about=f"{most} bytes")
    return bytes(clear)


async def _end(transport: asyncio.SubprocessTransport, process: asyncio.subprocess.Process) -> None:
    """Nothing of the command's process group stays behind, also when it was interrupted.

    ``Process.wait`` ends with the pipes, not with the process: a pipe whose reading is paused, because more came
    than was wanted, would never end by itself.
    """
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    for number in (0, 1):
        if pipe := transport.get_pipe_transport(number):
            pipe.close()
    await process.wait()
    transport.close()
