"""Quix Streams: a streaming dataframe for each topic.

What waits is in dictionaries, not in Quix's state, which would keep it in RocksDB and in a changelog topic.
"""

from __future__ import annotations

import tempfile

from quixstreams import Application
from quixstreams.models import TopicConfig

from bench.rivals.job import Baselines, Clock, answer, job, model_of


def main():
    this = job()
    model, baselines, clock = model_of(this.model, this.names), Baselines(), Clock(this.events)
    app = Application(
        broker_address=this.bootstrap,
        consumer_group=this.group,
        auto_offset_reset="earliest",
        auto_create_topics=False,
        use_changelog_topics=False,
        state_dir=tempfile.mkdtemp(prefix="millrace-bench-quix-"),
        loglevel="ERROR",
    )
    many = TopicConfig(num_partitions=this.partitions, replication_factor=1)
    features = app.topic(this.features, key_deserializer="bytes", value_deserializer="json", config=many)
    labels = app.topic(this.labels, key_deserializer="bytes", value_deserializer="json", config=many)
    predictions = app.topic(this.predictions, key_serializer="bytes", value_serializer="json", config=many)
    examples = app.topic(this.examples, key_serializer="bytes", key_deserializer="bytes", value_deserializer="json")
    pending, early = {}, {}

    def predict(event, _key, timestamp_ms, _headers):
        clock.first()
        said, probabilities = answer(model.predict_proba_one(event["features"]))
        return {
            "id": event["id"],
            "features": event["features"],
            "prediction": said,
            "probabilities": probabilities,
            "model": "champion",
            "version": clock.learnt,
            "candidates": baselines.said(),
            "source": context().offset,
            "event_ms": timestamp_ms,
        }

    def meet_early(prediction):
        label = early.pop(prediction["id"], None)
        if label is None:
            pending[prediction["id"]] = prediction
            return []
        return [{**prediction, **label}]

    def meet(record, _key, timestamp_ms, _headers):
        clock.first()
        at = context()
        label = {"label": record["label"], "label_source": [at.partition, at.offset], "label_ms": timestamp_ms}
        prediction = pending.pop(record["id"], None)
        if prediction is None:
            early[record["id"]] = label
            return []
        return [{**prediction, **label}]

    def learn(example):
        model.learn_one(example["features"], example["label"] == 1)
        baselines.learn(example["label"])
        clock.learnt += 1
        if clock.over:
            app.stop()

    from quixstreams import message_context as context  # noqa: PLC0415

    predicted = app.dataframe(features).apply(predict, metadata=True).to_topic(predictions)
    predicted.apply(meet_early, expand=True).to_topic(examples)
    app.dataframe(labels).apply(meet, metadata=True, expand=True).to_topic(examples)
    app.dataframe(examples).update(learn)
    app.run()
    clock.tell()


if __name__ == "__main__":
    main()
