"""What other systems are told of models: the mirror in MLflow's registry, and events of OpenLineage."""
