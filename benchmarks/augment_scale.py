"""How fast and with how much memory rewrites are collected from an endpoint that always takes the same time.

    python benchmarks/augment_scale.py                                # rate at 64 calls at once, memory at three sizes
    python benchmarks/augment_scale.py --calls 2000 --latency 1.0 --sizes 10000,100000,300000

1. Rate: a server of fixed latency in a process of its own; ideal is `concurrency / latency` calls a second. At least
   90% of that is wanted, the run-up from 16 to 64 calls at once included.
2. Memory: the peak of a process of its own that collects the rewrites of so many texts. The answers are put into the
   cache beforehand, all but a few hundred that are asked for, because what a text takes does not depend on where its
   rewrite is from and a million calls take hours. The line through the sizes is drawn to a million texts only if it is
   one: each size must lie within 10% of it. At most 1 GiB is wanted.
"""

import asyncio
import json
import multiprocessing
import resource
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path

import click
import numpy as np
from railmatch.classifier.inputs import Exchange
from railmatch.ssl_train.augment import Cache, collect_rewrites
from railmatch.ssl_train.augment.cache import Answer, Key, text_hash
from railmatch.ssl_train.augment.spending import sampling
from railmatch.ssl_train.augment.template import load_template
from railmatch.ssl_train.data.records import Record
from railmatch.ssl_train.recipe import AugmentSettings, EndpointSettings

MODEL = "bench"
WANTED_SHARE = 0.9
WANTED_MIB = 1024
MILLION = 1_000_000
ASKED = 200
"""Texts of a memory run whose rewrites are asked for and not found in the cache."""

PROCESSES = multiprocessing.get_context("spawn")


def serve(latency_s: float, ready: Connection) -> None:
    """Answer every call with a rewrite after ``latency_s`` seconds, until the process is ended."""
    body = {
        "id": "1", "object": "chat.completion", "created": 1, "model": MODEL,
        "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "Other words"}}],
        "usage": {"prompt_tokens": 400, "completion_tokens": 20, "total_tokens": 420},
    }  # fmt: skip
    content = json.dumps(body).encode()
    head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(content)}\r\n\r\n".encode()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with_body = b"content-length:"
        try:
            while True:
                lines = (await reader.readuntil(b"\r\n\r\n")).lower().split(b"\r\n")
                length = next(int(line[len(with_body) :]) for line in lines if line.startswith(with_body))
                await reader.readexactly(length)
                await asyncio.sleep(latency_s)
                writer.write(head + content)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    async def main() -> None:
        server = await asyncio.start_server(answer, "127.0.0.1", 0, backlog=1024)
        ready.send(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    asyncio.run(main())


@contextmanager
def server_of(latency_s: float) -> Iterator[str]:
    """Run the server in a process of its own; gives its address."""
    here, there = PROCESSES.Pipe()
    process = PROCESSES.Process(target=serve, args=(latency_s, there), daemon=True)
    process.start()
    try:
        yield f"http://127.0.0.1:{here.recv()}/v1"
    finally:
        process.terminate()
        process.join()


def settings_for(base_url: str, cache: Path, concurrency: int) -> AugmentSettings:
    """Ask for one paraphrase of every text."""
    endpoint = EndpointSettings(base_url=base_url, model=MODEL, api_key_env="NO_KEY", max_concurrency=concurrency)
    return AugmentSettings(strategy=["paraphrase"], endpoint=endpoint, cache=str(cache))


def records_of(count: int) -> list[Record]:
    """Make texts of about 120 characters, as prompts of chats are."""
    filler = "please explain step by step how that is done and what goes wrong most often when people try it at home"
    return [Record(f"id{number}", Exchange(f"{number:08d} {filler}")) for number in range(count)]


def measure_rate(calls: int, concurrency: int, latency_s: float) -> float:
    """Give the calls a second of a whole run, from its first call to its last answer stored."""
    with tempfile.TemporaryDirectory() as folder, server_of(latency_s) as base_url:
        records = records_of(calls)
        begun = time.perf_counter()
        found = collect_rewrites(records, "prompt", settings_for(base_url, Path(folder) / "cache.sqlite", concurrency))
        seconds = time.perf_counter() - begun
    if found.counts["kept"] != calls:
        raise click.ClickException(f"only {found.counts['kept']} of {calls} texts have a rewrite: {found.counts}")
    return calls / seconds


def fill(cache_path: Path, count: int, settings: AugmentSettings) -> None:
    """Put the rewrites of the first ``count`` texts into the cache."""
    template = load_template("paraphrase", "prompt")
    assert settings.endpoint is not None
    name, sampled = f"{template.name}@{template.fingerprint}", sampling(settings.endpoint)
    filler = "could you walk me through the way this is done, and say what beginners mostly get wrong when they try it"
    rewrites = {record.exchange.prompt: Answer("kept", f"{record.id} {filler}", 9, 9) for record in records_of(count)}
    with Cache(cache_path) as cache:
        cache.put_all((Key(text_hash(text), name, MODEL, sampled), new) for text, new in rewrites.items())


def collect_in_process(base_url: str, cache_path: Path, count: int, done: Connection) -> None:
    """Collect the rewrites of ``count`` texts and send the peak of this process's memory, in MiB."""
    found = collect_rewrites(records_of(count), "prompt", settings_for(base_url, cache_path, 64))
    done.send((found.counts["kept"], resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024))


def measure_memory(count: int) -> float:
    """Give the peak memory in MiB of a process that collects the rewrites of ``count`` texts."""
    with tempfile.TemporaryDirectory() as folder, server_of(0.01) as base_url:
        cache_path = Path(folder) / "cache.sqlite"
        fill(cache_path, max(0, count - ASKED), settings_for(base_url, cache_path, 64))
        here, there = PROCESSES.Pipe()
        process = PROCESSES.Process(target=collect_in_process, args=(base_url, cache_path, count, there))
        process.start()
        kept, peak = here.recv()
        process.join()
    if kept != count:
        raise click.ClickException(f"only {kept} of {count} texts have a rewrite")
    return float(peak)


def extrapolated(sizes: Sequence[int], peaks: Sequence[float]) -> float | None:
    """Draw the line through the peaks to a million texts; None where they do not lie on one."""
    slope, start = np.polyfit(sizes, peaks, 1)
    on_line = slope * np.array(sizes) + start
    straight = bool(np.all(np.abs(on_line - peaks) <= 0.1 * np.array(peaks)))
    return float(slope * MILLION + start) if straight else None


@click.command()
@click.option("--calls", default=3000, show_default=True, help="Calls of the rate run.")
@click.option("--concurrency", default=64, show_default=True, help="Calls at once.")
@click.option("--latency", default=0.5, show_default=True, help="Seconds that the server takes for a call.")
@click.option("--sizes", default="10000,100000,300000", show_default=True, help="Texts of the memory runs.")
@click.option("--json", "json_file", type=click.Path(path_type=Path), help="Write the figures to this file, too.")
def main(calls: int, concurrency: int, latency: float, sizes: str, json_file: Path | None) -> None:
    """Measure the rate and the memory of collecting rewrites."""
    rate, ideal = measure_rate(calls, concurrency, latency), concurrency / latency
    click.echo(
        f"{calls} calls, {concurrency} at once, {latency:g} s each: {rate:.1f}/s, {rate / ideal:.1%} of the ideal "
        f"{ideal:.1f}/s (at least {WANTED_SHARE:.0%} wanted)"
    )
    counts = [int(size) for size in sizes.split(",")]
    peaks = []
    for count in counts:
        peaks.append(measure_memory(count))
        click.echo(f"{count} texts: at most {peaks[-1]:.0f} MiB")
    at_a_million = extrapolated(counts, peaks)
    said = "no line to draw on" if at_a_million is None else f"about {at_a_million:.0f} MiB"
    click.echo(f"{MILLION} texts: {said} (at most {WANTED_MIB} MiB wanted)")
    if json_file is not None:
        figures = {"rate": rate, "ideal": ideal, "sizes": counts, "peaks_mib": peaks, "million_mib": at_a_million}
        json_file.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
