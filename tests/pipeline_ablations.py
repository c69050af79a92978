"""Rules of the product taken away one at a time, for tests which must then fail. See `pipeline_failpoints`."""

from __future__ import annotations

import asyncio


def without_own_offsets(_hit):
    """Positions from Kafka's committed offsets, committed as work goes on, as Faust does."""
    from kafka import KafkaConsumer, TopicPartition  # noqa: PLC0415

    from streams.kafka.durable import Durable  # noqa: PLC0415
    from streams.kafka.member import Member  # noqa: PLC0415
    from streams.kafka.worker import Worker  # noqa: PLC0415

    begin, begin_worker, services = Durable.__init__, Worker.__init__, Worker.services
    configs = []

    def begin_knowing(self, config, *rest):
        configs.append(config)
        begin_worker(self, config, *rest)

    def committed(place):
        topic, _, partition = place.rpartition("/")
        config = configs[-1]
        consumer = KafkaConsumer(bootstrap_servers=config.kafka.bootstrap, group_id=f"{config.name}.worker")
        try:
            return consumer.committed(TopicPartition(topic, int(partition)))
        finally:
            consumer.close()

    def begin_there(self, store, name, settings, identity, generation, loaded):
        begin(self, store, name, settings, identity, generation, loaded)
        if self.state is None:
            return
        found = {place: committed(place) or offset for place, offset in loaded.header.offsets.items()}
        self.state["next"] = next(iter(found.values())) if name.startswith("shard") else found

    async def commit(self):
        while True:
            await asyncio.sleep(0.05)
            positions = {tp: offset for owned in self.owned if owned.ready for tp, offset in owned.positions().items()}
            if positions:
                await Member.show_progress(self, {f"{tp.topic}/{tp.partition}": at for tp, at in positions.items()})

    async def show_nothing(_self, _offsets):
        pass

    Durable.__init__, Worker.__init__, Worker.show_progress = begin_there, begin_knowing, show_nothing
    Worker.services = lambda self: {**services(self), "commit": commit(self)}


ABLATIONS = {"ablation.offsets": without_own_offsets}
