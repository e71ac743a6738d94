"""What answers: tasks, preprocessing, estimators, versions, and deployments of several."""
