"""Drift statistics: arrays in, frozen results out. No files, clock, threads or logging."""

from drift.check.allocator import keep_freed_memory
from drift.check.check_columns import check_columns
from drift.check.column import judge_column, judge_values
from drift.check.family import assemble
from drift.check.report import ColumnReport, DriftReport
from drift.derived.outputs import output_columns
from drift.profiles.categorical import CategoricalProfile, Codes, categorical_profile, encode
from drift.profiles.numeric import NumericProfile, numeric_profile
from drift.profiles.profile import ColumnValues, Profile, merge, profile
from drift.profiles.reference import Reference, build_reference, with_files
from drift.statistics.scores import Score
from drift.statistics.shares import ShareTest, share_test

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
    "with_files",
]
