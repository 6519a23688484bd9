"""What was answered and what was true, kept in a database.

    Records ─┬─ writer ──── tally       answers: counted and queued, written by a thread
             ├─ telling ─── told        labels: read, committed, acknowledged
             │     └─ settling          answers and labels find each other, whichever comes first
             ├─ windows ─── drift       figures of an hour, a day, a week and all time, from sums
             ├─ review                  images of which a label would teach most
             ├─ transfer, retention     export, import, delete, purge
             └─ decisions               who put which version into service, and why
    database, schema, sums, versions    what all of them stand on

SQLAlchemy is imported nowhere else. Predictions never wait for any of this, and go on without it.
"""
