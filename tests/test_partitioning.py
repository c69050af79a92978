"""Where keys belong."""

from structlog.testing import capture_logs

from streams.kafka.partitioning import KeySample, partition_of


def test_keys_go_where_the_java_client_puts_them():
    """Known values of Kafka's murmur2 (org.apache.kafka.common.utils.Utils), masked and divided by 2^31 - 1."""
    assert partition_of(b"21", 2**31 - 1) == -973932308 & 0x7FFFFFFF
    assert partition_of(b"foobar", 2**31 - 1) == -790332482 & 0x7FFFFFFF


def test_a_foreign_partitioner_is_warned_of_once_for_a_topic_and_without_the_key():
    """The key is payload: the warning names places only."""
    sample = KeySample(4)
    wrong = (partition_of(b"secret", 4) + 1) % 4
    with capture_logs() as logs:
        for offset in range(3):
            sample.look("shop.features", wrong, offset, b"secret")
        sample.look("shop.labels", partition_of(b"secret", 4), 0, b"secret")
        sample.look("shop.labels", 0, 0, None)
    assert [(line["event"], line["topic"]) for line in logs] == [("key_on_another_partition", "shop.features")]
    assert "secret" not in str(logs)
