"""Online learners: the model catalog, candidates and baselines, prequential scores, snapshots."""
