"""By hand: the same loop with the standard library's json, as most people write it first."""

from __future__ import annotations

import json

from confluent_kafka import OFFSET_BEGINNING, Consumer, Producer, TopicPartition

from bench.rivals.job import Baselines, Clock, answer, job, model_of


def main():
    this = job()
    model, baselines, clock = model_of(this.model, this.names), Baselines(), Clock(this.events)
    consumer = Consumer(
        {
            "bootstrap.servers": this.bootstrap,
            "group.id": this.group,
            "enable.auto.commit": False,
            "queued.min.messages": 100_000,
            "fetch.wait.max.ms": 10,
        }
    )
    producer = Producer({"bootstrap.servers": this.bootstrap, "acks": "all", "queue.buffering.max.messages": 1_000_000})
    inputs = [
        TopicPartition(topic, part, OFFSET_BEGINNING) for topic in this.topics[:2] for part in range(this.partitions)
    ]
    consumer.assign([*inputs, TopicPartition(this.examples, 0, OFFSET_BEGINNING)])
    pending, early = {}, {}

    def publish(prediction, label):
        producer.produce(this.examples, json.dumps({**prediction, **label}), prediction["id"], partition=0)

    while not clock.over:
        messages = consumer.consume(500, 0.005)
        if messages:
            clock.first()
        for message in messages:
            topic, record = message.topic(), json.loads(message.value())
            if topic == this.features:
                said, probabilities = answer(model.predict_proba_one(record["features"]))
                prediction = {
                    "id": record["id"],
                    "features": record["features"],
                    "prediction": said,
                    "probabilities": probabilities,
                    "model": "champion",
                    "version": clock.learnt,
                    "candidates": baselines.said(),
                    "source": message.offset(),
                    "event_ms": message.timestamp()[1],
                }
                producer.produce(this.predictions, json.dumps(prediction), message.key(), partition=message.partition())
                label = early.pop(record["id"], None)
                if label is None:
                    pending[record["id"]] = prediction
                else:
                    publish(prediction, label)
            elif topic == this.labels:
                source = [message.partition(), message.offset()]
                label = {"label": record["label"], "label_source": source, "label_ms": message.timestamp()[1]}
                prediction = pending.pop(record["id"], None)
                if prediction is None:
                    early[record["id"]] = label
                else:
                    publish(prediction, label)
            else:
                model.learn_one(record["features"], record["label"] == 1)
                baselines.learn(record["label"])
                clock.learnt += 1
        producer.poll(0)
    producer.flush()
    clock.tell()


if __name__ == "__main__":
    main()
