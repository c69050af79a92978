"""River's drift detectors, each behind one adapter that fixes what goes in and which change counts."""

from drift.detectors.catalog import CATALOG, DetectorSpec, build_detector
from drift.detectors.detector import Detector, DetectorState, Watch

__all__ = ["CATALOG", "Detector", "DetectorSpec", "DetectorState", "Watch", "build_detector"]
