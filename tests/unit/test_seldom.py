"""What work does only now and then."""

from datetime import UTC, datetime, timedelta

from portal.work import Seldom

NOON = datetime(2026, 11, 26, 12, tzinfo=UTC)


def test_it_is_done_again_only_after_a_while() -> None:
    done: list[datetime] = []

    def part(*, at: datetime) -> int:
        done.append(at)
        return 1

    seldom = Seldom(part, timedelta(minutes=15))
    told = [seldom(at=NOON + timedelta(minutes=minutes)) for minutes in (0, 1, 14, 15, 29, 31)]

    assert told == [1, 0, 0, 1, 0, 1]
    assert done == [NOON + timedelta(minutes=minutes) for minutes in (0, 15, 31)]
