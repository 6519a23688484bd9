from app.records.database import Database
from app.records.decision import Decision
from app.records.decisions import read_decisions, write_decision

PROMOTED = Decision(1.5, "fashion-mnist", "the rule", "promote", {"e": 23.5, "labels": 400}, "a" * 64, "b" * 64)


def test_decisions_are_read_as_they_were_made_the_newest_first(database: Database) -> None:
    taken_back = PROMOTED._replace(time=2.5, action="rollback", evidence=None, from_sha256="b" * 64, to_sha256="a" * 64)
    for decision in (PROMOTED, taken_back, PROMOTED._replace(model="other")):
        write_decision(database, decision)

    assert read_decisions(database, "fashion-mnist") == [taken_back, PROMOTED]
