"""Columns that are watched on one clock (events, or labelled examples): their pools, their bets, their evidence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from drift.budget.bank import Bank, Run
from drift.budget.bets import NUMERIC_LANES, numeric_stakes, share_lanes, share_stakes, tolerance_discounts
from drift.budget.growth import Growth
from drift.budget.joint import JOINT, JOINT_LANES, STEP, Joint, normal_scores
from drift.budget.rank_pool import Binned, Bins, Floats, RankPool
from drift.budget.share_pool import NO_MARK, Marks, SharePool

VALUE = "value"


@dataclass(frozen=True, slots=True, kw_only=True)
class ShareStream:
    """A 0/1 stream of a column and what its reference says."""

    aspect: str
    """`missing`, `category a`, `other` …; unique within its column."""
    odds: tuple[float, ...]
    ones: int
    rows: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PanelColumn:
    """One column as it enters a panel."""

    name: str
    weight: float
    """Its share of the budget, divided equally between its lanes."""
    binned: Binned | None = None
    """Reference of the numeric stream; None for a column without one."""
    whitened: bool = False
    """Whether its values are residuals."""
    tolerance_sd: float = 0.0
    shares: tuple[ShareStream, ...] = ()


@dataclass(frozen=True, slots=True)
class Lane:
    """One bet on one stream."""

    column: str
    aspect: str
    bet: str


@dataclass(frozen=True, slots=True)
class PanelRun:
    """Rows that were judged and are not yet the panel's past."""

    run: Run
    bins: Bins
    marks: Marks
    scores: Floats | None
    """For `Joint`."""


@dataclass(slots=True)
class _Layout:
    """Which lanes there are, in the order of the stakes: numeric lanes, column by column, then those of 0/1 streams."""

    numeric: list[str] = field(default_factory=list)
    whitened: list[bool] = field(default_factory=list)
    share_streams: list[tuple[str, str]] = field(default_factory=list)
    lane_stream: list[int] = field(default_factory=list)
    lane_odds: list[float] = field(default_factory=list)
    lanes: list[Lane] = field(default_factory=list)
    weights: list[float] = field(default_factory=list)
    discounts: list[float] = field(default_factory=list)


class Panel:
    """Pools, bets and evidence of some columns; `of` makes one from a reference, `restore` from a snapshot."""

    def __init__(
        self,
        layout: _Layout,
        *,
        seed: int,
        ranks: RankPool,
        shares: SharePool,
        growth: Growth,
        bank: Bank,
        joint: Joint | None = None,
    ) -> None:
        self._seed, self._joint = seed, joint
        self._ranks, self._shares = ranks, shares
        self.growth, self.bank = growth, bank
        self._set(layout)
        self._stakes_of_shares()

    @classmethod
    def of(
        cls,
        columns: Sequence[PanelColumn],
        *,
        rows: int,
        position: int,
        seed: int,
        joint_weight: float = 0.0,
        joint_levels: Floats | None = None,
    ) -> Panel:
        """From a reference of `rows` rows; the next row is number `position`.

        With a weight and levels, shape `(n_numeric, rows)`, for it, the numeric columns are also watched together.
        """
        layout = _layout(columns)
        if joint_levels is not None:
            layout.lanes += [Lane(JOINT, "together", bet) for bet in JOINT_LANES]
            layout.weights += [joint_weight / len(JOINT_LANES)] * len(JOINT_LANES)
            layout.discounts += [1.0] * len(JOINT_LANES)
        streams = [share for column in columns for share in column.shares]
        ranks = RankPool(layout.numeric, [column.binned for column in columns if column.binned is not None], seed)
        joint = None
        if joint_levels is not None:
            scores = normal_scores(ranks.ranks(ranks.bins(joint_levels), np.arange(position - rows, position)))
            joint = Joint(scores, seed)
        ones, counts = [share.ones for share in streams], [share.rows for share in streams]
        return cls(
            layout,
            seed=seed,
            ranks=ranks,
            joint=joint,
            shares=SharePool(_share_names(layout), ones, counts, seed),
            growth=Growth(rows, position),
            bank=Bank(np.array(layout.weights), position),
        )

    def _set(self, layout: _Layout) -> None:
        self._layout = layout
        self.numeric = layout.numeric
        """Columns with a numeric stream, in the order of the levels."""
        self.lanes = layout.lanes
        self.columns = list(dict.fromkeys(lane.column for lane in layout.lanes))
        places = {name: place for place, name in enumerate(self.columns)}
        self._lane_column = np.array([places[lane.column] for lane in layout.lanes], dtype=np.intp)
        self._whitened = np.array(layout.whitened, dtype=bool)
        self._lane_stream = np.array(layout.lane_stream, dtype=np.intp)
        self._lane_odds = np.array(layout.lane_odds)
        self._alive = np.array(layout.weights) > 0
        self._idle = None if self._alive.all() else ~self._alive
        discounts = np.array(layout.discounts)
        self._discounts = None if (discounts == 1).all() else discounts

    def _stakes_of_shares(self) -> None:
        won, lost = share_stakes(self._shares.shares[self._lane_stream], self._lane_odds)
        self._won, self._lost = won, lost

    @property
    def position(self) -> int:
        """Number of the next row, on the panel's clock."""
        return self.bank.position

    @property
    def rows_ahead(self) -> int:
        """Rows that may be run at once: until the pool grows, or a block of the bank ends."""
        rows = min(self.bank.rows_to_block, self.growth.next_at - self.position)
        return rows if self._joint is None else min(rows, STEP - self.position % STEP)

    def run(self, levels: Floats, marks: Marks) -> PanelRun:
        """Judge rows without making them the past.

        Args:
            levels: Shape `(n_numeric, n_rows)`, NaN where missing; `n_rows` at least 1 and at most `rows_ahead`.
            marks: Shape `(n_share_streams, n_rows)`: 0, 1 or `NO_MARK`.
        """
        rows = levels.shape[1]
        positions = np.arange(self.position, self.position + rows)
        stakes = np.empty((rows, len(self.lanes)))
        bins, ranks = np.empty((0, rows), dtype=np.int16), np.empty((0, rows))
        numeric = len(NUMERIC_LANES) * len(self.numeric)
        if numeric:
            bins = self._ranks.bins(levels)
            ranks = self._ranks.ranks(bins, positions)
            stakes[:, :numeric] = numeric_stakes(ranks, self._whitened).reshape(rows, numeric)
        together = numeric + self._lane_stream.size
        if numeric < together:
            coins = self._shares.coins(marks, positions).T.take(self._lane_stream, axis=1)
            stakes[:, numeric:together] = np.where(coins, self._won, self._lost)
            holes = marks == NO_MARK
            if holes.any():
                stakes[:, numeric:together][holes.T.take(self._lane_stream, axis=1)] = 1.0
        scores = None
        if self._joint is not None:
            scores = normal_scores(ranks)
            stakes[:, together:] = self._joint.stakes(scores, positions)
        if self._discounts is not None:
            stakes *= self._discounts
        if self._idle is not None:
            stakes[:, self._idle] = 1.0
        return PanelRun(self.bank.run(stakes), bins, marks, scores)

    def take(self, judged: PanelRun, start: int, stop: int) -> None:
        """Make rows `start` to `stop` of a run the past, as `Bank.take`; they join the pools after their quarantine."""
        self.bank.take(judged.run, start, stop)
        joining = self.growth.take(judged.bins[:, start:stop], judged.marks[:, start:stop])
        if self._joint is not None and judged.scores is not None:
            self._joint.take(judged.scores[start:stop], self.position, growing=self.growth.growing)
        if joining is not None:
            bins, marks = joining
            self._ranks.join(bins)
            self._shares.join(marks)
            self._stakes_of_shares()

    def reset(self) -> None:
        """Forget all evidence."""
        self.bank.reset(self.position)

    def forget(self, column: str) -> None:
        """What its bets have gathered is void; they begin anew."""
        self.bank.forget(self._lane_column == self.columns.index(column))

    def silence(self, column: str) -> None:
        """The column's bets weigh nothing any more, and what they have gathered is void."""
        self.bank.silence(self._lane_column == self.columns.index(column))
        self._layout.weights = self.bank.weights.tolist()
        self._alive = self.bank.weights > 0
        self._idle = ~self._alive

    def top(self) -> tuple[float, int]:
        """Largest weighted evidence of a lane, and which lane."""
        weighed = self.bank.weighed()
        lane = int(weighed.argmax())
        return float(weighed[lane]), lane

    def mean_evidence(self) -> dict[str, float]:
        """R of each column, averaged over its lanes; 0 for a silenced one."""
        count = len(self.columns)
        lanes = np.bincount(self._lane_column, self._alive, minlength=count)
        evidence = np.bincount(self._lane_column, self.bank.evidence(), minlength=count)
        return dict(zip(self.columns, (evidence / np.maximum(lanes, 1)).tolist(), strict=True))

    def mean_evidence_of(self, judged: PanelRun) -> dict[str, float]:
        """The largest that `mean_evidence` would be after any row of a run, by column."""
        sums = np.zeros((len(self.columns), judged.run.evidence.shape[0]))
        np.add.at(sums, self._lane_column, judged.run.evidence.T)
        weights = np.bincount(self._lane_column, self.bank.weights, minlength=len(self.columns))
        means = sums.max(axis=1) / np.where(weights > 0, weights, 1.0)
        return dict(zip(self.columns, means.tolist(), strict=True))

    def best_lane(self, column: str) -> int:
        """The lane of a column with the largest weighted evidence."""
        weighed = self.bank.weighed()
        own = np.flatnonzero(self._lane_column == self.columns.index(column))
        return int(own[weighed[own].argmax()])

    def pool_sizes(self) -> dict[str, int]:
        """Values in the pool of each column: of its numeric stream if it has one, else of its largest 0/1 stream."""
        sizes: dict[str, int] = {}
        for (column, _), size in zip(self._layout.share_streams, self._shares.sizes.tolist(), strict=True):
            sizes[column] = max(size, sizes.get(column, 0))
        return {**sizes, **dict(zip(self.numeric, self._ranks.sizes.tolist(), strict=True))}

    def share_spread(self, column: str) -> float:
        """Largest standard deviation of one row of a column's 0/1 streams, at most 1/2."""
        own = [place for place, (name, _) in enumerate(self._layout.share_streams) if name == column]
        shares = self._shares.shares[own]
        return float(np.sqrt(shares * (1 - shares)).max(initial=0.0))

    def lane_weight(self, column: str) -> float:
        """Weight of one lane of a column; 0 for a silenced one."""
        return float(self.bank.weights[self._lane_column == self.columns.index(column)].max())

    def snapshot(self) -> dict[str, Any]:
        """Plain types and bytes."""
        layout = self._layout
        return {
            "numeric": list(layout.numeric),
            "whitened": list(layout.whitened),
            "share_streams": [list(stream) for stream in layout.share_streams],
            "lane_stream": list(layout.lane_stream),
            "lane_odds": list(layout.lane_odds),
            "lanes": [[lane.column, lane.aspect, lane.bet] for lane in layout.lanes],
            "weights": list(layout.weights),
            "discounts": list(layout.discounts),
            "seed": self._seed,
            "ranks": self._ranks.snapshot(),
            "shares": self._shares.snapshot(),
            "growth": self.growth.snapshot(),
            "bank": self.bank.snapshot(),
            "joint": self._joint.snapshot() if self._joint else None,
        }

    @classmethod
    def restore(cls, snapshot: Mapping[str, Any]) -> Panel:
        """The panel that `snapshot` was taken of, as if never stopped."""
        layout = _Layout(
            numeric=list(snapshot["numeric"]),
            whitened=list(snapshot["whitened"]),
            share_streams=[(column, aspect) for column, aspect in snapshot["share_streams"]],
            lane_stream=list(snapshot["lane_stream"]),
            lane_odds=list(snapshot["lane_odds"]),
            lanes=[Lane(*lane) for lane in snapshot["lanes"]],
            weights=list(snapshot["weights"]),
            discounts=list(snapshot["discounts"]),
        )
        streams = len(layout.share_streams)
        return cls(
            layout,
            seed=snapshot["seed"],
            ranks=RankPool.restore(layout.numeric, snapshot["ranks"], snapshot["seed"]),
            shares=SharePool.restore(_share_names(layout), snapshot["shares"], snapshot["seed"]),
            growth=Growth.restore(snapshot["growth"], len(layout.numeric), streams),
            bank=Bank.restore(snapshot["bank"]),
            joint=Joint.restore(snapshot["joint"], snapshot["seed"]) if snapshot["joint"] else None,
        )


def _share_names(layout: _Layout) -> list[str]:
    return [f"{column}/{aspect}" for column, aspect in layout.share_streams]


def _layout(columns: Sequence[PanelColumn]) -> _Layout:
    layout = _Layout()
    numeric = [column for column in columns if column.binned is not None]
    lane_weight = {
        column.name: column.weight
        / (len(NUMERIC_LANES) * (column.binned is not None) + sum(len(share.odds) for share in column.shares))
        for column in columns
    }
    layout.numeric = [column.name for column in numeric]
    layout.whitened = [column.whitened for column in numeric]
    for column in numeric:
        layout.lanes += [Lane(column.name, VALUE, bet) for bet in NUMERIC_LANES]
        layout.weights += [lane_weight[column.name]] * len(NUMERIC_LANES)
        layout.discounts += tolerance_discounts(column.tolerance_sd).tolist()
    for column in columns:
        for share in column.shares:
            for factor, bet in zip(share.odds, share_lanes(share.odds), strict=True):
                layout.lane_stream.append(len(layout.share_streams))
                layout.lane_odds.append(factor)
                layout.lanes.append(Lane(column.name, share.aspect, bet))
                layout.weights.append(lane_weight[column.name])
                layout.discounts.append(1.0)
            layout.share_streams.append((column.name, share.aspect))
    return layout
