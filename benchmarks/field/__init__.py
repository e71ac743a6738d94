"""The daemon's decisions beside the field: fixed schedules, drift detectors that retrain on alarm, and a public bench."""
