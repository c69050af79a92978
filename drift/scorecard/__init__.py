"""A scorecard of drift settings on somebody's own data: known changes injected, contenders judged, controls beside."""
