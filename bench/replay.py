"""Whether what a run published is what its model had to say."""

from __future__ import annotations

import asyncio

import msgspec

from bench.pipeline import BLOCK
from bench.rivals.job import answer
from streams.kafka.reading import bounds, read_through, reader

PROBABILITY_APART = 1e-9
"""A kernel of our own may add in another order than River."""


class Predicted(msgspec.Struct):
    id: str
    features: dict[str, float]
    prediction: int | None
    probabilities: dict[str, float] | None
    version: int


class Learnt(msgspec.Struct):
    id: str
    features: dict[str, float]
    label: int


async def records(config, topic, partitions, decode):
    """Every record of a topic, partition by partition."""
    found = []
    async with reader({"bootstrap_servers": config.kafka.bootstrap}) as consumer:
        for partition in range(partitions):
            begin, end = await bounds(consumer, topic, partition)
            async for rows in read_through(consumer, topic, partition, begin, end):
                found.extend(decode(row.value) for row in rows)
    return found


def replay(config, events, model):
    """Folds the examples, in the log's order, into a fresh model, and asks it of each event what it was asked then.

    Asserts that each event and each label is there once and that every prediction is equal. Answers how many examples
    the models that predicted lacked, in the median and at most: of all labels sent before the event.
    """
    predictions = asyncio.run(
        records(config, config.topic("predictions"), config.topics.partitions, msgspec.json.Decoder(Predicted).decode)
    )
    examples = asyncio.run(records(config, config.topic("examples"), 1, msgspec.json.Decoder(Learnt).decode))
    assert len({said.id for said in predictions}) == len(predictions) == events, f"{len(predictions)} of {events}"
    assert len({each.id for each in examples}) == len(examples) == events, f"{len(examples)} of {events}"
    predictions.sort(key=lambda said: said.version)
    learnt = 0
    for said in predictions:
        for example in examples[learnt : said.version]:
            model.learn_one(example.features, example.label == 1)
        learnt = max(learnt, said.version)
        prediction, probabilities = answer(model.predict_proba_one(said.features))
        if probabilities is None or said.probabilities is None:
            assert probabilities is said.probabilities, (said, probabilities)
        else:
            assert abs(probabilities["1"] - said.probabilities["1"]) <= PROBABILITY_APART, (said, probabilities)
            assert said.prediction == prediction or abs(probabilities["1"] - 0.5) <= PROBABILITY_APART, said
    lacked = sorted(int(said.id) // BLOCK * BLOCK - said.version for said in predictions)
    return max(0, lacked[len(lacked) // 2]), lacked[-1]
