"""Traffic as the world makes it: labels late, early, missing, repeated, corrected; events repeated.

A process of its own that knows nothing of the pipeline but its two topics, and sends through kafka-python as any user
would. One seed, one story.

    python pipeline_traffic.py BOOTSTRAP FEATURES LABELS RATE SEED    # then on its input: shift, turn, finish
"""

from __future__ import annotations

import heapq
import json
import random
import subprocess
import sys
import threading
import time

from kafka import KafkaProducer

WAIT_S = 3.0
"""`labels.wait` of the pipelines of these tests."""
LATE_S = 1.8
"""A label that comes too late does so by this much."""
ACKNOWLEDGED_S = 300.0
"""A broker that comes back is waited for so long."""
BEGUN = "sending\n"


class Traffic:
    """Starts a generator; a context manager that ends it."""

    def __init__(self, bootstrap, features, labels, *, rate, seed):
        self._begin(__file__, bootstrap, features, labels, rate, seed)

    def _begin(self, *words):
        """Returns once it knows its broker, which may be harmed then."""
        command = [sys.executable, *map(str, words)]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout.readline() == BEGUN, "the traffic did not begin"

    def say(self, word):
        """`shift`: x moves by 3. `turn`: the answers turn round. Said again: as it was."""
        self._process.stdin.write(f"{word}\n")
        self._process.stdin.flush()

    def finish(self, timeout_s=2 * ACKNOWLEDGED_S):
        """No more events; the labels under way still go out. How many events the broker has acknowledged."""
        told, _ = self._process.communicate("finish\n", timeout=timeout_s)
        assert self._process.returncode == 0
        return int(told)

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        if self._process.poll() is None:
            self._process.kill()
        self._process.communicate(timeout=10)


class _Generator:
    """Events at `rate` per second; the label is `yes` where x + y > 0."""

    def __init__(self, topics, rate, seed):
        self.topics, self.rate, self.random = topics, rate, random.Random(seed)
        self.due = []
        self.planned = self.made = 0
        self.words = set()

    def hear(self, word):
        self.words = self.words | {word} if word == "finish" else self.words ^ {word}

    def run(self, send):
        began = time.monotonic()
        while self.due or "finish" not in self.words:
            now = time.monotonic() - began
            while "finish" not in self.words and self.made < now * self.rate:
                self._plan(now, self.made)
                self.made += 1
            while self.due and self.due[0][0] <= now:
                _, _, kind, identity, document = heapq.heappop(self.due)
                send(self.topics[kind], key=identity.encode(), value=json.dumps(document).encode())
            time.sleep(0.002)

    def _plan(self, now, number):
        """One event's life: when it and its labels will be sent."""
        chance, identity = self.random, f"e{number}"
        x, y = chance.gauss(3 if "shift" in self.words else 0, 1), chance.gauss(0, 1)
        label, other = ("yes", "no") if (x + y > 0) is not ("turn" in self.words) else ("no", "yes")
        event = {"id": identity, "features": {"x": x, "y": y}}
        early, fate = chance.random() < 0.05, chance.random()
        self._at(now + (chance.uniform(0.1, 1.0) if early else 0), "event", event)
        if fate < 0.03:
            return  # nobody ever says
        delay = 0.0 if early else chance.uniform(0.02, 1.5)
        if fate < 0.05 and not early:
            delay = WAIT_S + LATE_S
        self._at(now + delay, "label", {"id": identity, "label": label})
        if fate > 0.97:
            self._at(now + delay + 0.3, "label", {"id": identity, "label": label})
        elif fate > 0.94:
            self._at(now + delay + 0.3, "label", {"id": identity, "label": other})
        elif fate > 0.92:
            self._at(now + delay + 0.2, "event", event)

    def _at(self, due, kind, document):
        self.planned += 1
        heapq.heappush(self.due, (due, self.planned, kind, document["id"], document))


def main(bootstrap, features, labels, rate, seed):
    """Until `finish`; then the number of events on standard output. Ends with its starter."""
    producer = KafkaProducer(
        bootstrap_servers=bootstrap,
        acks="all",
        linger_ms=2,
        enable_idempotence=True,
        reconnect_backoff_max_ms=500,  # by default half a minute after a broker is back
        bootstrap_timeout_ms=ACKNOWLEDGED_S * 1000,
        max_block_ms=ACKNOWLEDGED_S * 1000,
        delivery_timeout_ms=ACKNOWLEDGED_S * 1000,
    )
    generator, futures = _Generator({"event": features, "label": labels}, float(rate), int(seed)), []

    def listen():
        for line in sys.stdin:
            generator.hear(line.strip())
        generator.hear("finish")

    threading.Thread(target=listen, daemon=True).start()
    sys.stdout.write(BEGUN)
    sys.stdout.flush()
    generator.run(lambda topic, **record: futures.append(producer.send(topic, **record)))
    for future in futures:
        future.get(timeout=ACKNOWLEDGED_S)
    sys.stdout.write(f"{generator.made}\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
