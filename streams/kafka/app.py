"""The Faust app's settings: each differs from Faust's default for a reason that was measured."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

from streams.config import Config
from streams.kafka.aiokafka_changes import closed_connections_are_broken, keep_records_as_fetched
from streams.kafka.assignors import Copartitioned
from streams.kafka.seam import App
from streams.kafka.security import faust_brokers, faust_credentials

BATCH_BYTES = 900_000
"""Faust's default of 16 KiB makes sixty times as many requests on a backlog."""
FETCH_BYTES = 256 * 1024
"""Of one partition at a time: four times as much brings partitions apart by thousands of events on a backlog."""
OUTAGE_S = 120.0
"""How long a lost broker is waited for before the process ends with an error."""


def build_app(config: Config, group: str, scratch: Path, **settings: Any) -> App:
    """An app in consumer group `group`; `scratch` is a folder that may vanish."""
    keep_records_as_fetched()
    closed_connections_are_broken()
    for name in ("faust", "mode", "aiokafka"):
        logging.getLogger(name).setLevel(logging.CRITICAL)  # what matters we see ourselves and say once
    session_s = config.kafka.session_timeout_ms / 1000
    return App(
        group,
        broker=faust_brokers(config),
        broker_credentials=faust_credentials(config),
        datadir=str(scratch / "faust"),
        web_enabled=False,  # on by default on 0.0.0.0, without authentication
        topic_allow_declare=False,
        topic_disable_leader=True,
        topic_partitions=config.topics.partitions,
        stream_wait_empty=False,  # an event that is not acked would block every rebalance
        stream_buffer_maxsize=256,  # of chunks; our own buffers bound the rows
        consumer_auto_offset_reset="none",  # "earliest" skips lost input silently
        consumer_max_fetch_size=FETCH_BYTES,
        broker_session_timeout=session_s,
        broker_heartbeat_interval=min(1.5, session_s / 4),
        broker_request_timeout=max(10.0, session_s + 1),
        broker_rebalance_timeout=max(6.0, session_s),
        producer_linger=0.0,
        producer_max_batch_size=BATCH_BYTES,
        producer_max_request_size=8 * config.input.event_bytes_max + BATCH_BYTES,
        producer_request_timeout=OUTAGE_S,
        **{"PartitionAssignor": Copartitioned, **settings},
    )
