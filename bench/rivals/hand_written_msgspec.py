"""By hand: one loop over confluent-kafka, msgspec for JSON, tuned.

The fetch settings are the ones that made it fastest. Predictions wait as the bytes that were sent, and an example is
those bytes with the label behind them.
"""

from __future__ import annotations

import msgspec
from confluent_kafka import OFFSET_BEGINNING, Consumer, Producer, TopicPartition

from bench.rivals.job import Baselines, Clock, answer, job, model_of


class Event(msgspec.Struct):
    id: str
    features: dict[str, float]


class Label(msgspec.Struct):
    id: str
    label: int


class Prediction(msgspec.Struct):
    id: str
    features: dict[str, float]
    prediction: int | None
    probabilities: dict[str, float] | None
    model: str
    version: int
    candidates: msgspec.Raw
    source: int
    event_ms: int


class Example(msgspec.Struct):
    features: dict[str, float]
    label: int


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

    event_of, label_of = msgspec.json.Decoder(Event).decode, msgspec.json.Decoder(Label).decode
    example_of, encode = msgspec.json.Decoder(Example).decode, msgspec.json.Encoder().encode
    predict, learn = model.predict_proba_one, model.learn_one
    pending, early = {}, {}

    def join(key, prediction, label, partition, offset, label_ms):
        tail = b',"label":%d,"label_source":[%d,%d],"label_ms":%d}' % (label, partition, offset, label_ms)
        producer.produce(this.examples, prediction[:-1] + tail, key, partition=0)

    while not clock.over:
        messages = consumer.consume(500, 0.005)
        if messages:
            clock.first()
        for message in messages:
            topic, value = message.topic(), message.value()
            if topic == this.features:
                event = event_of(value)
                prediction, probabilities = answer(predict(event.features))
                said = Prediction(
                    event.id,
                    event.features,
                    prediction,
                    probabilities,
                    "champion",
                    clock.learnt,
                    baselines.encoded(),
                    message.offset(),
                    message.timestamp()[1],
                )
                key, record = message.key(), encode(said)
                producer.produce(this.predictions, record, key, partition=message.partition())
                label = early.pop(event.id, None)
                if label is None:
                    pending[event.id] = key, record
                else:
                    join(key, record, *label)
            elif topic == this.labels:
                label = label_of(value)
                place = label.label, message.partition(), message.offset(), message.timestamp()[1]
                waiting = pending.pop(label.id, None)
                if waiting is None:
                    early[label.id] = place
                else:
                    join(*waiting, *place)
            else:
                example = example_of(value)
                learn(example.features, example.label == 1)
                baselines.learn(example.label)
                clock.learnt += 1
        producer.poll(0)
    producer.flush()
    clock.tell()


if __name__ == "__main__":
    main()
