"""A stock generator makes a client of the contract, and it sends and receives a file."""

from __future__ import annotations

import asyncio
import hashlib
import json
import sys
from pathlib import Path

import pytest

from bridge.model import Body, File
from bridge.networks.connect.contract.openapi import written
from deploy.world.waiting import until
from liaison.kit.colleagues import Said
from liaison.kit.hub import Product, small_hub


async def run(folder: Path, *command: str | Path) -> str:
    """What a command says. Raises AssertionError with it if the command fails."""
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        sys.executable, *map(str, command), cwd=folder, stdout=pipe, stderr=asyncio.subprocess.STDOUT
    )
    said = (await process.communicate())[0].decode()
    assert process.returncode == 0, said[-3000:]
    return said


@pytest.mark.real_time
async def test_a_generated_client_sends_and_receives_a_file(tmp_path: Path) -> None:
    (tmp_path / "openapi.json").write_bytes(written())
    making = ("generate", "--path", "openapi.json", "--output-path", tmp_path / "made", "--meta", "none")
    said = await run(tmp_path, "-m", "openapi_python_client", *making)
    assert "will not be generated" not in said, said[-3000:]
    text = "Bilan sanguin, normal lui aussi.\n"
    product = Product("http://127.0.0.1:9/")  # nobody is there: it reads the log
    async with small_hub(product) as hub:
        url = f"{hub.url}/connect/v1" if not hub.url.endswith("/v1") else hub.url
        program = asyncio.create_task(
            run(tmp_path, Path(__file__).with_name("generated.py"), tmp_path, url, product.token)
        )
        await until(lambda: hub.colleagues.delivered or program.done())
        if program.done():
            await program
        [file] = hub.colleagues.delivered[0].body.files
        assert file.name == "bilan é.txt"
        assert file.sha256 == hashlib.sha256(b"Bilan normal.\n").hexdigest()
        body = Body("Le mien", files=(File("sang.txt", "text/plain", text.encode()),))
        await hub.colleagues.say("ben", "b-1", Said("", to=("product:cleo",), body=body))
        found = json.loads((await program).splitlines()[-1])
    assert found["content"] == text
    assert found["came"]["name"] == "sang.txt"
    assert found["came"]["sha256"] == hashlib.sha256(text.encode()).hexdigest()
