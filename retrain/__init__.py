"""The lifecycle of a model: records, the pure planner, the stages, the version store."""
