"""The daemon's decisions beside the field: fixed schedules, detectors that retrain on alarm, a public bench."""
