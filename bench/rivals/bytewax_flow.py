"""Bytewax: a dataflow of one worker; its own `join` meets predictions and labels."""

from __future__ import annotations

import os

import bytewax.operators as op
import msgspec
from bytewax.connectors.kafka import KafkaSinkMessage
from bytewax.connectors.kafka import operators as kop
from bytewax.dataflow import Dataflow
from bytewax.testing import run_main

from bench.rivals.hand_written_msgspec import Event, Example, Label, Prediction
from bench.rivals.job import Baselines, Clock, answer, job, model_of


def build(this, model, baselines, clock):
    event_of, label_of = msgspec.json.Decoder(Event).decode, msgspec.json.Decoder(Label).decode
    example_of, encode = msgspec.json.Decoder(Example).decode, msgspec.json.Encoder().encode

    def predict(message):
        clock.first()
        event = event_of(message.value)
        prediction, probabilities = answer(model.predict_proba_one(event.features))
        said = Prediction(
            event.id,
            event.features,
            prediction,
            probabilities,
            "champion",
            clock.learnt,
            baselines.encoded(),
            message.offset,
            message.timestamp[1],
        )
        return event.id, KafkaSinkMessage(message.key, encode(said), partition=message.partition)

    def label(message):
        clock.first()
        label = label_of(message.value)
        place = label.label, message.partition, message.offset, message.timestamp[1]
        return label.id, b',"label":%d,"label_source":[%d,%d],"label_ms":%d}' % place

    def example(both):
        _, (prediction, tail) = both
        return KafkaSinkMessage(prediction.key, prediction.value[:-1] + tail, partition=0)

    def learn(message):
        example = example_of(message.value)
        model.learn_one(example.features, example.label == 1)
        baselines.learn(example.label)
        clock.learnt += 1
        if clock.over:
            clock.tell()
            os._exit(0)  # a flow that follows topics has no end
        return message

    flow, brokers = Dataflow("rival"), [this.bootstrap]
    features = kop.input("features", flow, brokers=brokers, topics=[this.features])
    labels = kop.input("labels", flow, brokers=brokers, topics=[this.labels])
    examples = kop.input("examples", flow, brokers=brokers, topics=[this.examples])
    predicted = op.map("predict", features.oks, predict)
    kop.output(
        "predictions", op.map("record", predicted, lambda both: both[1]), brokers=brokers, topic=this.predictions
    )
    joined = op.join("join", predicted, op.map("label", labels.oks, label))
    kop.output("joined", op.map("example", joined, example), brokers=brokers, topic=this.examples)
    op.inspect("learnt", op.map("learn", examples.oks, learn), lambda *_: None)
    return flow


def main():
    this = job()
    run_main(build(this, model_of(this.model, this.names), Baselines(), Clock(this.events)))


if __name__ == "__main__":
    main()
