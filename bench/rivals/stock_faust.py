"""Stock Faust: an agent for each topic, records as Faust decodes them, `topic.send` for what goes out.

What waits is in dictionaries, not in Faust's tables, which would keep it and cost twice as much.
"""

from __future__ import annotations

import asyncio
import logging
import tempfile

import faust
import uvloop

from bench.rivals.job import Baselines, Clock, answer, job, model_of


class Event(faust.Record, serializer="json"):
    id: str
    features: dict[str, float]


class Label(faust.Record, serializer="json"):
    id: str
    label: int


class Example(faust.Record, serializer="json"):
    features: dict[str, float]
    label: int


def build(this, model, baselines, clock, finished):
    app = faust.App(
        this.group,
        broker=f"kafka://{this.bootstrap}",
        datadir=tempfile.mkdtemp(prefix="millrace-bench-faust-"),
        web_enabled=False,
        topic_disable_leader=True,
        topic_allow_declare=False,
        topic_partitions=this.partitions,
        consumer_auto_offset_reset="earliest",
        stream_wait_empty=False,
    )
    features = app.topic(this.features, value_type=Event, key_type=bytes, partitions=this.partitions)
    labels = app.topic(this.labels, value_type=Label, key_type=bytes, partitions=this.partitions)
    predictions = app.topic(this.predictions, key_type=bytes, value_serializer="json", partitions=this.partitions)
    examples = app.topic(this.examples, value_type=Example, key_type=bytes, partitions=1)
    joined = app.topic(this.examples, key_type=bytes, value_serializer="json", partitions=1)
    pending, early = {}, {}

    @app.agent(features)
    async def predict(stream):
        async for event in stream.events():
            clock.first()
            message, value = event.message, event.value
            said, probabilities = answer(model.predict_proba_one(value.features))
            prediction = {
                "id": value.id,
                "features": value.features,
                "prediction": said,
                "probabilities": probabilities,
                "model": "champion",
                "version": clock.learnt,
                "candidates": baselines.said(),
                "source": message.offset,
                "event_ms": int(message.timestamp * 1000),
            }
            await predictions.send(key=event.key, value=prediction, partition=message.partition)
            label = early.pop(value.id, None)
            if label is None:
                pending[value.id] = prediction
            else:
                await joined.send(key=event.key, value={**prediction, **label}, partition=0)

    @app.agent(labels)
    async def join(stream):
        async for event in stream.events():
            clock.first()
            message, value = event.message, event.value
            label = {
                "label": value.label,
                "label_source": [message.partition, message.offset],
                "label_ms": int(message.timestamp * 1000),
            }
            prediction = pending.pop(value.id, None)
            if prediction is None:
                early[value.id] = label
            else:
                await joined.send(key=event.key, value={**prediction, **label}, partition=0)

    @app.agent(examples)
    async def learn(stream):
        async for example in stream:
            model.learn_one(example.features, example.label == 1)
            baselines.learn(example.label)
            clock.learnt += 1
            if clock.over and not finished.done():
                finished.set_result(None)

    return app


async def run(this):
    model, baselines, clock = model_of(this.model, this.names), Baselines(), Clock(this.events)
    finished = asyncio.get_running_loop().create_future()
    app = build(this, model, baselines, clock, finished)
    await app.start()
    await finished
    await app.producer.flush()
    clock.tell()
    await app.stop()


def main():
    logging.basicConfig(level=logging.ERROR)
    uvloop.install()
    asyncio.run(run(job()))


if __name__ == "__main__":
    main()
