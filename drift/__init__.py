"""Drift: windows and statistics equal to Evidently's, detectors, verdicts and incidents."""
