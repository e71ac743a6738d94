"""Drift statistics: arrays in, frozen results out. No files, clock, threads or logging."""

from drift.categorical import CategoricalProfile, Codes, categorical_profile, encode
from drift.check import check_columns
from drift.family import assemble, unlike_recent
from drift.judge import judge_column, judge_values
from drift.memory import keep_freed_memory
from drift.numeric import NumericProfile, numeric_profile
from drift.outputs import output_columns
from drift.profiles import ColumnValues, Profile, merge, profile
from drift.reference import Reference, build_reference
from drift.report import ColumnReport, DriftReport
from drift.scores import Score
from drift.shares import ShareTest, share_test

__all__ = [
    "CategoricalProfile",
    "Codes",
    "ColumnReport",
    "ColumnValues",
    "DriftReport",
    "NumericProfile",
    "Profile",
    "Reference",
    "Score",
    "ShareTest",
    "assemble",
    "build_reference",
    "categorical_profile",
    "check_columns",
    "encode",
    "judge_column",
    "judge_values",
    "keep_freed_memory",
    "merge",
    "numeric_profile",
    "output_columns",
    "profile",
    "share_test",
    "unlike_recent",
]
