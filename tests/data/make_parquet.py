"""Makes `rows.parquet` beside it, with PyArrow 26: `python make_parquet.py FOLDER`. It was written once and is committed."""

import datetime
import decimal
import sys

import pyarrow as pa
import pyarrow.parquet as pq

rows = range(10)
columns = {}
for bits in [8, 16, 32, 64]:
    columns[f"i{bits}"] = pa.array([-n for n in rows], getattr(pa, f"int{bits}")())
    columns[f"u{bits}"] = pa.array([(1 << bits) - 1 - n for n in rows], getattr(pa, f"uint{bits}")())
columns["f16"] = pa.array([n / 2 for n in rows], pa.float16())
columns["f32"] = pa.array([n / 4 for n in rows], pa.float32())
columns["f64"] = pa.array([n / 3 for n in rows], pa.float64())
columns["flag"] = pa.array([n % 3 == 0 for n in rows])
columns["label"] = pa.array([n % 4 for n in rows], pa.int64())
columns["fixed"] = pa.array([[n, n + 0.5, -n] for n in rows], pa.list_(pa.float32(), 3))
columns["list"] = pa.array([[n, n + 1] for n in rows], pa.list_(pa.int32()))
# What is refused, row by row.
columns["gap"] = pa.array([None if n == 7 else n for n in rows], pa.float32())
columns["ragged"] = pa.array([[1] * (3 if n == 6 else 2) for n in rows], pa.list_(pa.int32()))
columns["empty"] = pa.array([[] if n == 5 else [1, 2] for n in rows], pa.list_(pa.int32()))
columns["missing"] = pa.array([None if n == 4 else [1, 2] for n in rows], pa.list_(pa.int32()))
columns["hole"] = pa.array([[1, None] if n == 9 else [1, 2] for n in rows], pa.list_(pa.int32()))
# What is refused at all.
columns["text"] = pa.array([str(n) for n in rows])
columns["decimal"] = pa.array([decimal.Decimal(n) for n in rows], pa.decimal128(5, 1))
columns["date"] = pa.array([datetime.date(2026, 1, 1 + n) for n in rows])
columns["time"] = pa.array([datetime.datetime(2026, 1, 1 + n) for n in rows])
columns["pair"] = pa.array([{"a": n, "b": n} for n in rows])
columns["lists"] = pa.array([[[n]] for n in rows], pa.list_(pa.list_(pa.int32())))

compression = {name: ["snappy", "gzip", "none"][place % 3] for place, name in enumerate(columns)}
pq.write_table(pa.table(columns), f"{sys.argv[1]}/rows.parquet", row_group_size=4, compression=compression)
