"""Where checkpoints and published objects are kept: a folder of this machine, or an object store, by one URL.

    checkpoints/<name>/…                        checkpoints and claims of a task, shard or monitor: see `lineage`
    objects/<kind>/<name>/<digest>.obj          published snapshots, buckets of done ids, references

Everything is sealed. A checkpoint is good whoever wrote it (it is a fold over the same logs), but files of one
generation have one writer: take a generation by `claims.next_generation` or `claims.adopt` before writing.
"""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import suppress
from typing import NamedTuple, TypeVar

import msgspec
import structlog

from streams.errors import ConfigError, StateError
from streams.state.envelope import EnvelopeError, Header, open_sealed, seal
from streams.state.folder import Folder, Step
from streams.state.keyring import Keyring
from streams.state.lineage import Listing, Position, checkpoint_file, claim_file, file_name, given_name, parent_file
from streams.state.place import StoreAwayError, doing, open_place

log = structlog.get_logger(__name__)

_OBJECT = re.compile(
    r"objects/([A-Za-z0-9_%~-][A-Za-z0-9_.%~-]*)/([A-Za-z0-9_%~-][A-Za-z0-9_.%~-]*)/([0-9a-f]{64})\.obj"
)
_DRAFT_AGE_S = 3600.0  # an object's draft of this age belongs to nobody any more
_READ_ATTEMPTS = 5  # a checkpoint may be pruned between listing and reading

T = TypeVar("T")


class Candidate(NamedTuple):
    """A checkpoint that is there; whether it is valid is not known yet."""

    key: str
    position: Position


class Loaded(NamedTuple):
    """A valid checkpoint."""

    key: str
    header: Header
    payload: bytes

    @property
    def position(self) -> Position:
        """Its generation and sequence."""
        return Position(self.header.generation, self.header.sequence)


class Whole(NamedTuple):
    """A valid checkpoint and all that it refers to."""

    checkpoint: Loaded
    objects: list[bytes]
    """What the objects of its header hold, in their order."""


class Stored(NamedTuple):
    """Where an object is, relative to the store, and the SHA-256 of its payload in hexadecimal digits."""

    path: str
    digest: str

    @property
    def name(self) -> str:
        """The name it was put under."""
        return given_name(self.path.split("/")[2])


class _IncompleteError(StateError):
    """A checkpoint without something that it refers to."""

    def __init__(self, path: str) -> None:
        self.reason = f"one without {path}"
        super().__init__(f"a checkpoint must be whole, got {self.reason}")


class Store:
    """Checkpoints by name, objects by digest.

    `url` is a folder, `file://…` or any fsspec URL; `keep` is how many checkpoints of a name survive a write. `at_step`
    is called between the steps of a local write: `before_tmp`, `after_tmp`, `after_fsync`, `after_rename`,
    `after_folder_fsync`. Calls block on the disk or the network; none holds state that two threads could spoil, as
    long as each name is written by one of them at a time.

    >>> store = Store("memory://example", Keyring(current=b"k" * 32))
    >>> store.write("task-0", 1, 1, Header(name="task-0", offsets={"fraud.features/0": 17}), b"state")
    'checkpoints/task-0/000000001-000000000001.ckpt'
    >>> store.newest("task-0").header.offsets
    {'fraud.features/0': 17}
    """

    def __init__(self, url: str, keys: Keyring, keep: int = 3, at_step: Step | None = None) -> None:
        if keep < 1:
            raise ConfigError("state.keep", f"must be at least 1, got {keep}")
        self.keys, self.keep = keys, keep
        self.place = open_place(url, at_step)
        self._referenced: dict[str, tuple[str, ...]] = {}  # key → objects, of the checkpoints written here
        self.local: bool = isinstance(self.place, Folder)
        """Whether it is on this machine, where a key file may be made."""

    # -- checkpoints ---------------------------------------------------------------------------------------------

    def write(self, name: str, generation: int, sequence: int, header: Header, payload: bytes) -> str:
        """Make a checkpoint durable, then prune the name to the newest `keep`; returns its key.

        The header's name, generation and sequence are set to those given. A writer whose generation is not the newest
        prunes nothing: what it would delete may be what its successor goes on from.

        Raises:
            StateError: there is one at this place, or the store could not take it.
        """
        if generation < 1 or sequence < 0:
            raise StateError(
                f"a checkpoint must have generation >= 1 and sequence >= 0, got {generation} and {sequence}"
            )
        key = self._key(name, Position(generation, sequence))
        stamped = msgspec.structs.replace(
            header, name=name, generation=generation, sequence=sequence, kind="checkpoint"
        )
        with doing(f"write checkpoint {key}"):
            try:
                self.place.create(key, seal(stamped, payload, self.keys))
            except FileExistsError as error:
                raise StateError(f"checkpoint {key} must be new, got one that exists: take a new generation") from error
        self._referenced[key] = stamped.objects
        try:
            with doing(f"prune checkpoints of {name}"):
                self._prune(name, generation)
        except StateError as error:  # what had to be durable is
            log.warning("checkpoints_not_pruned", name=name, error=str(error))
        return key

    def candidates(self, name: str) -> list[Candidate]:
        """All checkpoints of a name, newest first by (generation, sequence)."""
        return [Candidate(self._key(name, position), position) for position in self.listing(name).newest_first()]

    def newest(self, name: str) -> Loaded | None:
        """The newest valid checkpoint whoever wrote it, None if there is none at all.

        Invalid ones are logged with their reason and passed over.

        Raises:
            StateError: there are some and none is valid: going on as if at the first start would lose them for good.
        """
        return self.first_valid(name, lambda listing: listing.newest_first())

    def newest_whole(self, name: str) -> Whole | None:
        """The newest valid checkpoint whose objects can be read too, whoever wrote it; as `newest` otherwise."""
        return self._first(name, lambda listing: listing.newest_first(), self._with_objects)

    def first_valid(self, name: str, order: Callable[[Listing], list[Position]]) -> Loaded | None:
        """The first valid checkpoint in the order given; as `newest` otherwise."""
        return self._first(name, order, lambda loaded: loaded)

    def _first(
        self, name: str, order: Callable[[Listing], list[Position]], completed: Callable[[Loaded], T]
    ) -> T | None:
        """What the first valid checkpoint completes to; one that is pruned while it is read has a newer one."""
        for _ in range(_READ_ATTEMPTS):
            reasons: list[str] = []
            overtaken = False
            for position in order(self.listing(name)):
                try:
                    if (loaded := self.load(name, position)) is not None:
                        return completed(loaded)
                    reason = "one that is gone"
                except (EnvelopeError, _IncompleteError) as error:
                    reason = error.reason
                if overtaken := position not in self.listing(name).checkpoints:
                    break
                reasons.append(reason)
                log.warning("checkpoint_invalid", key=self._key(name, position), reason=reason)
            if not overtaken:
                break
        else:
            raise StateError(f"could not read a checkpoint of {name}: each was gone before it was read")
        if reasons:
            raise StateError(
                f"one of {len(reasons)} checkpoints of {name} must be valid, got {', '.join(sorted(set(reasons)))}: "
                "mend state.key, or fold the logs again with `millrace rebuild`"
            )
        return None

    def _with_objects(self, loaded: Loaded) -> Whole:
        objects = []
        for path in loaded.header.objects:
            try:
                objects.append(self.get_object(path, path.rpartition("/")[2].removesuffix(".obj")))
            except StoreAwayError:
                raise
            except StateError as error:  # pruned by somebody, or damaged
                raise _IncompleteError(path) from error
        return Whole(loaded, objects)

    def load(self, name: str, position: Position) -> Loaded | None:
        """One checkpoint, None if it is not there.

        Raises:
            EnvelopeError: it is not valid.
            StateError: the store could not be read.
        """
        key = self._key(name, position)
        blob = self._read(key)
        if blob is None:
            return None
        header, payload = open_sealed(blob, self.keys)
        if header.kind != "checkpoint" or (header.name, header.generation, header.sequence) != (name, *position):
            raise EnvelopeError("filed under another name")
        return Loaded(key, header, payload)

    def forget(self, name: str) -> int:
        """Delete all checkpoints of a name, as a rebuild does; its generations go on. Returns how many there were."""
        candidates = self.candidates(name)
        with doing(f"delete checkpoints of {name}"):
            for candidate in candidates:
                self.place.remove(candidate.key)
        return len(candidates)

    def listing(self, name: str) -> Listing:
        """Checkpoints and claims of a name."""
        with doing(f"list checkpoints of {name}"):
            return Listing.of(self.place.names(self.folder(name)))

    def mark(self, name: str, file: str) -> bool:
        """Make an empty file beside the checkpoints, exclusively: False if somebody was first."""
        with doing(f"claim {file} of {name}"):
            try:
                self.place.mark(f"{self.folder(name)}/{file}")
            except FileExistsError:
                return False
        return True

    def folder(self, name: str) -> str:
        """Where the files of a name are, relative to the store."""
        return f"checkpoints/{file_name(name)}"

    # -- objects -------------------------------------------------------------------------------------------------

    def put_object(self, kind: str, name: str, payload: bytes) -> Stored:
        """Make an object durable; the same payload again costs one read.

        Raises:
            StateError: the store could not take it.
        """
        digest = hashlib.sha256(payload).hexdigest()
        stored = Stored(f"objects/{file_name(kind)}/{file_name(name)}/{digest}.obj", digest)
        blob = seal(Header(name=f"{kind}/{name}", kind="object"), payload, self.keys)
        with doing(f"write object {stored.path}"):
            try:
                self.place.create(stored.path, blob)
            except FileExistsError:
                try:
                    self.get_object(*stored)
                except StateError as error:  # damaged, or signed with a key that is gone
                    log.warning("object_replaced", path=stored.path, error=str(error))
                    self.place.remove(stored.path)
                    with suppress(FileExistsError):  # another process mends it too
                        self.place.create(stored.path, blob)
        return stored

    def get_object(self, path: str, digest: str) -> bytes:
        """An object's payload, once its signature and its digest hold. `path` may come from the wire.

        Raises:
            StateError: it is not there, or is not what `digest` says.
        """
        found = _OBJECT.fullmatch(path)
        if found is None or found[3] != digest:
            raise StateError(f"an object's path must be objects/<kind>/<name>/<its digest>.obj, got {path[:200]!r}")
        blob = self._read(path)
        if blob is None:
            raise StateError(f"object {path} must exist, got nothing: it was pruned, or another store wrote it")
        header, payload = open_sealed(blob, self.keys)
        if header.kind != "object" or header.name != f"{given_name(found[1])}/{given_name(found[2])}":
            raise EnvelopeError("filed under another name")
        if hashlib.sha256(payload).hexdigest() != digest:
            raise EnvelopeError("altered")
        return payload

    def objects(self, kind: str, name: str | None = None) -> Iterator[Stored]:
        """Objects of a kind, of one name or of all."""
        root = f"objects/{file_name(kind)}"
        with doing(f"list objects of {kind}"):
            names = self.place.names(root) if name is None else [file_name(name)]
            for file in names:
                for leaf in self.place.names(f"{root}/{file}"):
                    path = f"{root}/{file}/{leaf}"
                    if found := _OBJECT.fullmatch(path):
                        yield Stored(path, found[3])

    def prune_objects(
        self, kind: str, keep: Collection[str] | Callable[[Stored], bool], name: str | None = None
    ) -> int:
        """Delete the objects of a kind (and name) that are not to be kept; returns how many.

        `keep` is a predicate, or a collection of the names, paths or digests to keep.
        """
        kept = keep if callable(keep) else (lambda o: o.name in keep or o.path in keep or o.digest in keep)
        return self._remove(kind, [stored for stored in self.objects(kind, name) if not kept(stored)])

    def prune_unreferenced(self, kind: str, name: str, generation: int) -> int:
        """Delete the objects of this kind and name that no checkpoint of the same name lists in its header.

        For buckets of done ids, right after `write`. Does nothing once a newer generation is taken. Objects are listed
        before the claims are looked at, never after: a successor claims before it puts anything, so what is deleted
        here is none of its own, however long this process stands still at any step. (But for bytes that were there
        before and that it puts again: `newest_whole` then goes on from the checkpoint before.)

        Raises:
            StateError: the store could not be read or changed.
        """
        found = list(self.objects(kind, name))
        listing = self.listing(name)
        if listing.generation > generation:
            return 0
        used: set[str] = set()
        for position in listing.checkpoints:
            with suppress(EnvelopeError):
                used.update(self._objects_of(name, position))
        return self._remove(kind, [stored for stored in found if stored.path not in used])

    def _remove(self, kind: str, gone: Sequence[Stored]) -> int:
        with doing(f"delete objects of {kind}"):
            for stored in gone:
                self.place.remove(stored.path)
            old_s = time.time() - _DRAFT_AGE_S
            for folder in {stored.path.rsplit("/", 1)[0] for stored in gone}:
                self.place.sweep(folder, lambda _, changed_s: changed_s < old_s)
        return len(gone)

    # -- retention -----------------------------------------------------------------------------------------------

    def _objects_of(self, name: str, position: Position) -> tuple[str, ...]:
        key = self._key(name, position)
        if key not in self._referenced:
            loaded = self.load(name, position)
            self._referenced[key] = loaded.header.objects if loaded else ()
        return self._referenced[key]

    def _prune(self, name: str, generation: int) -> None:
        listing = self.listing(name)
        if listing.generation > generation:
            return
        adopted = generation in listing.parents
        kept = (listing.lineage() if adopted else listing.newest_first())[: self.keep]
        folder = self.folder(name)
        for position in listing.checkpoints.difference(kept):
            key = self._key(name, position)
            self.place.remove(key)
            self._referenced.pop(key, None)
        oldest = min(kept).generation
        for old in listing.claims:
            if old < oldest:
                self.place.remove(f"{folder}/{claim_file(old)}")
        for old, parent in listing.parents.items():
            if old < oldest:
                self.place.remove(f"{folder}/{parent_file(old, parent)}")
        self.place.sweep(folder, lambda draft, _: draft[:9] <= f"{generation:09d}")

    def _read(self, path: str) -> bytes | None:
        with doing(f"read {path}"):
            try:
                return self.place.read(path)
            except FileNotFoundError:
                return None

    def _key(self, name: str, position: Position) -> str:
        return f"{self.folder(name)}/{checkpoint_file(position)}"
