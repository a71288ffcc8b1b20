"""The places for calls: they grow with answers and are halved once by what happens at once."""

import asyncio

from railmatch.ssl_train.augment.pace import START, Pace


def test_places_double_a_round_until_the_first_halving_and_then_grow_by_one():
    async def run() -> list[float]:
        pace = Pace(64)
        limits = [pace.limit]
        for _ in range(START):
            pace.grow()
        limits.append(pace.limit)
        pace.halve(asyncio.get_running_loop().time())
        limits.append(pace.limit)
        for _ in range(START):
            pace.grow()
        return [*limits, round(pace.limit, 1)]

    assert asyncio.run(run()) == [16.0, 32.0, 16.0, 17.0]


def test_there_are_never_more_than_the_most_nor_less_than_one():
    async def run() -> tuple[float, float]:
        pace = Pace(3)
        for _ in range(10):
            pace.grow()
        most = pace.limit
        for _ in range(10):
            pace.halve(asyncio.get_running_loop().time())
            await asyncio.sleep(0.001)
        return most, pace.limit

    assert asyncio.run(run()) == (3.0, 1.0)


def test_calls_begun_before_a_halving_halve_nothing_more():
    async def run() -> float:
        pace = Pace(8)  # fewer than a run begins with otherwise
        begun = asyncio.get_running_loop().time()
        for _ in range(8):
            pace.halve(begun)
        return pace.limit

    assert asyncio.run(run()) == 4.0


def test_no_more_calls_are_let_in_than_there_are_places():
    async def run() -> int:
        pace = Pace(2)
        inside = most = 0

        async def call() -> None:
            nonlocal inside, most
            async with pace.place():
                inside += 1
                most = max(most, inside)
                await asyncio.sleep(0)
                inside -= 1

        await asyncio.gather(*(call() for _ in range(10)))
        return most

    assert asyncio.run(run()) == 2
