"""Whose turn it is: order within an incident, nobody passed over and nothing done repeated, whenever it is killed."""

from hypothesis import given
from hypothesis import strategies as st

from streams.observability.webhook_turns import IN_HAND_MAX, Turns, noted

INCIDENTS = st.lists(st.sampled_from("abcdef"), min_size=1, max_size=60)
STEPS = st.lists(st.integers(0, 999), max_size=300)
START, GAP = 40, 3
"""Offsets of a topic whose producers leave holes."""


class Told:
    """A process that takes alerts and is done with them in some order, until it is killed; and its successor."""

    def __init__(self, incidents, committed=START, note=""):
        self.incidents = incidents
        self.turns = Turns(committed, noted(committed, note))
        self.ready, self.finished = [], []

    def offsets(self):
        return [START + GAP * number for number in range(len(self.incidents))]

    def take(self):
        """The next, if there is one and room for it."""
        waiting = [offset for offset in self.offsets() if offset >= self.turns.next_offset]
        if waiting and self.turns.room > 0:
            offset = waiting[0]
            if self.turns.take(offset, self.incidents[(offset - START) // GAP], offset):
                self.ready.append(offset)

    def finish(self, choice):
        """Some alert whose turn it is."""
        offset = self.ready.pop(choice % len(self.ready))
        self.finished.append(offset)
        following = self.turns.done(offset)
        if following is not None:
            self.ready.append(following)

    def step(self, choice):
        if self.ready and choice % 2:
            self.finish(choice // 2)
        else:
            self.take()


@given(INCIDENTS, STEPS, st.integers(1, 5))
def test_whoever_goes_on_after_a_kill_does_what_was_not_done_and_nothing_else(incidents, steps, kills):
    """Each alert once, those of an incident in order, whatever was done before what."""
    told, finished = Told(incidents), []
    for number, choice in enumerate(steps):
        told.step(choice)
        assert len(told.turns) <= IN_HAND_MAX
        assert all(told.turns.committed <= offset for offset in told.ready)
        if number % (len(steps) // kills + 1) == len(steps) // kills:
            finished += told.finished
            told = Told(incidents, told.turns.committed, told.turns.note)
    while len(told.turns) or told.turns.next_offset <= told.offsets()[-1]:
        told.take()
        if told.ready:
            told.finish(0)
    finished += told.finished

    assert sorted(finished) == told.offsets()
    for incident in set(incidents):
        of_it = [offset for offset in finished if incidents[(offset - START) // GAP] == incident]
        assert of_it == sorted(of_it)
    assert (told.turns.committed, told.turns.note) == (told.turns.next_offset, "")


def test_what_waits_holds_only_its_own_incident_and_the_offset():
    """Others are done behind it, as many as there is room for; only what is oldest counts its tries."""
    turns = Turns(0)
    assert turns.take(0, "a")
    assert not turns.take(1, "a")
    for offset in range(2, IN_HAND_MAX):
        assert turns.take(offset, f"b{offset}")
        assert not turns.oldest(offset)
        turns.done(offset)
    assert turns.oldest(0)
    assert (turns.committed, turns.room) == (0, 0)
    assert noted(0, turns.note) == list(range(2, IN_HAND_MAX))

    assert turns.done(0) is None
    assert turns.oldest(1)
    assert (turns.committed, turns.room) == (1, 1)


@given(st.text(max_size=20), st.integers(0, 10**12))
def test_a_note_of_somebody_else_names_nothing_unheard_of(note, committed):
    """Whatever an operator's tool wrote beside an offset: no error, and only offsets close behind it."""
    assert all(committed < offset <= committed + 10_000 for offset in noted(committed, note))


def test_a_note_fits_beside_an_offset():
    """Kafka takes 4,096 bytes by default."""
    turns = Turns(0)
    turns.take(0, "a")
    for number in range(1, IN_HAND_MAX):
        turns.take(600 * number, f"b{number}")
        turns.done(600 * number)
    assert len(turns.note) < 200
    assert len(noted(0, turns.note)) == IN_HAND_MAX - 1
