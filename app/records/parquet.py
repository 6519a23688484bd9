"""NDJSON to Parquet; imported only where it is asked for, as pyarrow need not be installed."""

from pathlib import Path

from pyarrow import Table
from pyarrow.json import ReadOptions, open_json
from pyarrow.parquet import ParquetWriter

__all__ = ["to_parquet"]

_BLOCK_BYTES = 64 * 2**20  # read at once; the columns are those of the first block


def to_parquet(lines: Path, file: Path) -> None:
    """Write the lines of one file as the rows of another."""
    options = ReadOptions(block_size=_BLOCK_BYTES)
    with open_json(lines, read_options=options) as reader, ParquetWriter(file, reader.schema) as writer:
        for batch in reader:
            writer.write_table(Table.from_batches([batch]))
