"""Counts the words of each sentence at the same time, to show how a generator waits for coroutines."""

import asyncio
from collections import Counter


async def words_of(sentence):
    await asyncio.sleep(0)  # Where another one would ask a service.
    return Counter(word.strip(",;:").lower() for word in sentence.split())


def async_task(text, most):
    total = Counter()
    for sentence in text.split("."):
        total += yield words_of(sentence)
    return {"words": total.most_common(most), "all": sum(total.values())}
