"""By hand, as little as possible: a label is learnt as it comes, not read back, and no baselines are published.

The leanest program that leaves the same topics behind; with a second process it would have two models.
"""

from __future__ import annotations

import msgspec
from confluent_kafka import OFFSET_BEGINNING, Consumer, Producer, TopicPartition

from bench.rivals.hand_written_msgspec import Event, Label, Prediction
from bench.rivals.job import Clock, answer, job, model_of

NOBODY = msgspec.Raw(b"{}")


def main():
    this = job()
    model, clock = model_of(this.model, this.names), Clock(this.events)
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
    consumer.assign(
        [TopicPartition(topic, part, OFFSET_BEGINNING) for topic in this.topics[:2] for part in range(this.partitions)]
    )
    event_of, label_of = msgspec.json.Decoder(Event).decode, msgspec.json.Decoder(Label).decode
    encode = msgspec.json.Encoder().encode
    pending, early = {}, {}

    def join(key, prediction, features, label, partition, offset, label_ms):
        tail = b',"label":%d,"label_source":[%d,%d],"label_ms":%d}' % (label, partition, offset, label_ms)
        producer.produce(this.examples, prediction[:-1] + tail, key, partition=0)
        model.learn_one(features, label == 1)
        clock.learnt += 1

    while not clock.over:
        messages = consumer.consume(500, 0.005)
        if messages:
            clock.first()
        for message in messages:
            if message.topic() == this.features:
                event = event_of(message.value())
                prediction, probabilities = answer(model.predict_proba_one(event.features))
                said = Prediction(
                    event.id,
                    event.features,
                    prediction,
                    probabilities,
                    "champion",
                    clock.learnt,
                    NOBODY,
                    message.offset(),
                    message.timestamp()[1],
                )
                key, record = message.key(), encode(said)
                producer.produce(this.predictions, record, key, partition=message.partition())
                label = early.pop(event.id, None)
                if label is None:
                    pending[event.id] = key, record, event.features
                else:
                    join(key, record, event.features, *label)
            else:
                label = label_of(message.value())
                place = label.label, message.partition(), message.offset(), message.timestamp()[1]
                waiting = pending.pop(label.id, None)
                if waiting is None:
                    early[label.id] = place
                else:
                    join(*waiting, *place)
        producer.poll(0)
    producer.flush()
    clock.tell()


if __name__ == "__main__":
    main()
