"""Fetches without waiting for each answer: an asynchronous step."""


async def fetch(name):
    return {"name": name, "size": len(name)}


async def async_task():
    return [await fetch(name) for name in ("north", "south", "east", "west")]
