"""The adapters on real recordings and on odd input."""

import json
import re
import sqlite3
import tempfile
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from agent_helpers import AGENTKIT, RECORDINGS
from hypothesis import given, settings
from hypothesis import strategies as st
from sayso_agent import Event, Skipped, Typing, UsageError, WindowFacts
from sayso_agent.fields import reduce
from sayso_agent.recorders import Told, guess, open_recorder, source
from sayso_agent.recorders.ndjson import read_line, read_ndjson
from sayso_agent.recorders.openadapt import read_openadapt
from sayso_agent.recorders.rrweb import page_facts, read_rrweb
from sayso_agent.words import PLAIN

HOST = "tracker.example.com"


def counted(items: Iterable[Event | Skipped]) -> Counter[str]:
    return Counter(i.signal if isinstance(i, Event) else f"-{i.reason}" for i in items)


def replayed(name: str, host: str = HOST) -> list[Event | Skipped]:
    return list(open_recorder("rrweb", str(RECORDINGS / name), Told(host=host)))


def meta(href: Any = "https://tracker.example.com/board?q=1") -> dict[str, Any]:
    return {"type": 4, "timestamp": 1000, "data": {"href": href, "width": 1, "height": 1}}


def element(number: int, tag: str, *children: Any, **attributes: Any) -> dict[str, Any]:
    return {
        "type": 2,
        "id": number,
        "tagName": tag,
        "attributes": attributes,
        "childNodes": list(children),
    }


def text(number: int, content: str) -> dict[str, Any]:
    return {"type": 3, "id": number, "textContent": content}


def snapshot(*children: Any) -> dict[str, Any]:
    root = {"type": 0, "id": 1, "childNodes": [element(2, "html", *children)]}
    return {"type": 2, "timestamp": 1001, "data": {"node": root}}


def increment(source: int, **data: Any) -> dict[str, Any]:
    return {"type": 3, "timestamp": 1002, "data": {"source": source, **data}}


def events(*raw: Any, host: str = "", hint: str = "") -> list[Event]:
    found = read_rrweb([meta(), *raw], host=host, hint=hint)
    return [item for item in found if isinstance(item, Event) and item.signal != "app_focus"]


# --- rrweb ---------------------------------------------------------------------------------------


def test_the_tracker_recording_is_read_whole() -> None:
    found = counted(replayed("rrweb-tracker.json"))

    assert found == {
        "app_focus": 1,
        "window_title": 1,
        "dom_text": 4,
        "mouse_click": 30,
        "mouse_move": 44,
        "scroll": 4,
        "ui_event": 22,
        "key_meta": 205,
        "key_content": 205,
    }


def test_all_of_a_recording_is_in_the_told_app() -> None:
    windows = {item.window for item in replayed("rrweb-hr.json") if isinstance(item, Event)}

    assert windows == {
        WindowFacts(platform="web", host=HOST, aliases=("127.0.0.1",), private=False)
    }


def test_password_and_card_fields_are_known_as_such() -> None:
    secret = [i for i in replayed("rrweb-expenses.json") if isinstance(i, Event) and i.secure]
    fields = {event.field for event in secret if event.signal == "key_content"}

    assert fields == {"36", "42"}  # the card's number, the password


@pytest.mark.parametrize(
    ("href", "host"),
    [
        ("https://Tracker.Example.com/a?b#c", "tracker.example.com"),
        ("https://user:pw@tracker.example.com:8443/", "tracker.example.com"),
        ("about:blank", "invalid.invalid"),
        ("data:text/html,x", "invalid.invalid"),
        ("javascript:alert(1)", "invalid.invalid"),
        ("http://[broken", "invalid.invalid"),
        (None, "invalid.invalid"),
        ("", "invalid.invalid"),
    ],
)
def test_of_an_address_only_the_host_is_taken(href: Any, host: str) -> None:
    facts = page_facts(href, told="told.example", hint="hinted")

    assert facts == WindowFacts(platform="web", host=host)


@pytest.mark.parametrize("href", ["file:///tmp/x.html", "http://localhost:3000/", "http://[::1]/"])
def test_only_a_page_of_this_machine_takes_what_was_told(href: str) -> None:
    assert page_facts(href, told="told.example", hint="hinted").host == "told.example"
    assert page_facts(href, hint="hinted").hint == "hinted"
    assert not page_facts(href, hint="hinted").known()
    assert page_facts(href).hint == ""


def test_a_new_page_voids_what_was_known_of_the_one_before() -> None:
    page = snapshot(element(5, "input"))
    elsewhere = {**meta("https://other.example/"), "timestamp": 1002}

    found = list(read_rrweb([meta(), page, elsewhere, increment(5, id=5, text="x")]))

    assert found[-1] == Skipped("field_unknown")
    assert [i.window.host for i in found if isinstance(i, Event)][-1] == "other.example"


def test_form_values_scripts_links_and_typed_in_regions_are_no_page_text() -> None:
    page = snapshot(
        element(3, "head", element(4, "title", text(5, " Board ")), element(6, "style")),
        element(7, "script", text(8, "SCRIPT")),
        element(9, "p", text(10, "see "), element(11, "b", text(12, "this")), text(13, " now")),
        element(14, "a", text(15, "Home"), href="https://secret.example/token"),
        element(16, "input", value="TYPED"),
        element(17, "textarea", text(18, "TYPED"), value="TYPED"),
        element(19, "select", element(20, "option", text(21, "CHOSEN"))),
        element(22, "div", element(23, "p", text(24, "TYPED")), contenteditable="true"),
        element(25, "div", text(26, "free"), contenteditable="false"),
        element(27, "img", alt="ALT", src="x"),
    )

    title, shown = events(page)

    assert title.data == {"text": "Board"}
    assert shown.data == {"kind": "snapshot", "text": "see this now\nHome\nfree"}


def test_what_another_page_shows_in_a_frame_is_left_out() -> None:
    page = snapshot(element(3, "iframe", element(4, "p", text(5, "FRAMED"))), element(6, "p"))
    attached = increment(
        0,
        isAttachIframe=True,
        adds=[{"parentId": 3, "node": element(7, "input")}],
        texts=[],
        attributes=[],
        removes=[],
    )

    found = list(
        read_rrweb(
            [
                meta(),
                page,
                attached,
                increment(5, id=7, text="x"),
                increment(2, type=2, id=7, x=1, y=1),
                increment(0, texts=[{"id": 5, "value": "FRAMED"}]),
            ]
        )
    )

    assert counted(found) == {"app_focus": 1, "-embedded_frame": 4}


def test_a_password_field_stays_one_when_it_is_shown() -> None:
    page = snapshot(element(5, "input", type="password"))
    shown = increment(0, attributes=[{"id": 5, "attributes": {"type": "text"}}])

    found = events(page, shown, increment(5, id=5, text="hunter2"))

    assert [event.secure for event in found] == [True, True]


def test_a_field_that_becomes_a_password_field_is_one() -> None:
    page = snapshot(element(5, "input", type="text"))
    hidden = increment(0, attributes=[{"id": 5, "attributes": {"type": "password"}}])

    assert [e.secure for e in events(page, hidden, increment(5, id=5, text="x"))] == [True, True]


def test_text_changed_in_an_edited_region_is_left_out() -> None:
    page = snapshot(element(5, "div", text(6, "a"), contenteditable=""))

    found = list(read_rrweb([meta(), page, increment(0, texts=[{"id": 6, "value": "ab"}])]))

    assert found[-1] == Skipped("editable_text")


def test_a_choice_is_told_as_such_and_not_what_was_chosen() -> None:
    page = snapshot(element(5, "select"), element(6, "input", type="checkbox"))

    found = events(
        page, increment(5, id=5, text="High"), increment(5, id=6, text="on", isChecked=True)
    )

    assert [(e.signal, e.data) for e in found] == [
        ("ui_event", {"kind": "change", "element": "select"}),
        ("ui_event", {"kind": "change", "element": "input"}),
    ]


def test_pictures_styles_canvases_and_logs_are_left_out() -> None:
    kinds = [increment(source) for source in (8, 9, 10, 11, 13, 15, 16, 99)]
    others = [{"type": t, "timestamp": 1, "data": {}} for t in (0, 1, 5, 6, 7)]

    assert counted(read_rrweb([*kinds, *others])) == {"-not_a_signal": 13}


def test_long_pages_come_in_parts_that_end_between_blocks() -> None:
    page = snapshot(*(element(10 + 2 * i, "p", text(11 + 2 * i, "w" * 900)) for i in range(40)))

    parts = events(page)

    assert len(parts) > 1
    assert sum(len(e.data["text"].splitlines()) for e in parts) == 40


def test_a_page_nested_without_end_is_cut_and_does_no_harm() -> None:
    node = text(9, "deep")
    for number in range(3000):
        node = element(10 + number, "div", node)

    assert events(snapshot(node)) == []


NAMES = [
    *("type", "data", "source", "id", "text", "node"),
    *("childNodes", "adds", "texts", "positions", "x"),
]
HUGE = st.sampled_from([10**400, -(10**400)])  # larger than any float
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 20) | HUGE | st.floats() | st.text(max_size=6),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(NAMES),
            inner,
            max_size=5,
        )
    ),
    max_leaves=15,
)


@settings(max_examples=50, deadline=None)
@given(
    st.lists(
        JSON
        | st.builds(lambda d: {"type": 3, "timestamp": 1, "data": d}, JSON)
        | st.builds(lambda t: {"type": 4, "timestamp": t, "data": {}}, JSON)
    )
)
def test_no_input_breaks_the_rrweb_adapter(raw: list[Any]) -> None:
    assert all(isinstance(item, Event | Skipped) for item in read_rrweb([meta(), *raw]))


# --- OpenAdapt -----------------------------------------------------------------------------------


def test_the_openadapt_recording_is_read_whole() -> None:
    path = RECORDINGS / "openadapt-tracker.db"
    before = path.read_bytes()

    found = list(read_openadapt(path, WindowFacts(hint="tracker")))

    assert counted(found) == {
        "mouse_move": 22,
        "mouse_click": 4,
        "key_meta": 118,
        "key_timing": 118,
    }
    assert path.read_bytes() == before
    assert not list(RECORDINGS.glob("*.db-*"))
    assert {e.window for e in found if isinstance(e, Event)} == {
        WindowFacts(platform="linux", hint="tracker")
    }


def test_no_key_code_is_taken_over_as_it_would_tell_the_letter() -> None:
    found = read_openadapt(RECORDINGS / "openadapt-tracker.db", WindowFacts())

    assert "keycode" not in repr([i.data for i in found if isinstance(i, Event)])


def desktop(path: Path, **row: Any) -> list[Event | Skipped]:
    """The events of a recording with one action."""
    columns = {"id": 1, "name": "press", "timestamp": 5.0, **row}
    names = ", ".join(columns)
    marks = ", ".join("?" for _ in columns)
    database = sqlite3.connect(path)
    database.execute(f"CREATE TABLE action_event ({names})")
    database.execute(f"INSERT INTO action_event VALUES ({marks})", [*columns.values()])
    database.execute("CREATE TABLE window_event (id, timestamp, title)")
    database.execute("INSERT INTO window_event VALUES (4, 1.0, 'Inbox')")
    database.commit()
    database.close()
    return list(read_openadapt(path, WindowFacts(platform="windows", hint="tracker")))


def test_a_character_is_text_only_where_the_field_is_known(tmp_path: Path) -> None:
    unknown = desktop(tmp_path / "a.db", key_char="a")
    edit = json.dumps({"element": {"role": "edit"}, "process": {"process_name": "chat.exe"}})
    known = desktop(tmp_path / "b.db", key_char="a", structural_observation=edit)
    state = json.dumps({"AXRole": "AXTextField", "AXSubrole": "AXSecureTextField"})
    secret = desktop(tmp_path / "c.db", key_char="a", element_state=state)

    assert [i.secure for i in unknown if isinstance(i, Event)] == [None] * 3
    assert [i.secure for i in known if isinstance(i, Event)] == [False] * 3
    assert [i.secure for i in secret if isinstance(i, Event)] == [True] * 3
    assert isinstance(known[0], Event)
    assert known[0].window == WindowFacts(platform="windows", executable="chat.exe", hint="tracker")


def test_a_window_title_comes_when_it_changes(tmp_path: Path) -> None:
    found = desktop(tmp_path / "a.db", name="move", mouse_x=1, mouse_y=2, window_event_id=4)

    assert counted(found) == {"app_focus": 1, "window_title": 1, "mouse_move": 1}


def test_what_the_recorder_marked_off_stays_off(tmp_path: Path) -> None:
    assert desktop(tmp_path / "a.db", disabled=1) == [Skipped("not_a_signal")]
    assert desktop(tmp_path / "b.db", parent_id=7) == [Skipped("not_a_signal")]


def test_a_file_that_is_no_recording_is_said_to_be_none(tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    path.write_bytes(b"not a database, but long enough to be looked at as one" * 20)

    with pytest.raises(UsageError):
        list(read_openadapt(path, WindowFacts()))


# --- ndjson --------------------------------------------------------------------------------------


def line(**value: Any) -> Event | Skipped:
    return read_line(json.dumps(value).encode(), WindowFacts(hint="tracker"))


def test_a_line_is_an_event() -> None:
    found = line(
        t=1.5,
        signal="key_content",
        text="x",
        secure=False,
        field="f",
        typing="value",
        settles=True,
        window={"platform": "windows", "executable": "chat.exe", "signer": "S"},
    )

    assert found == Event(
        "key_content",
        WindowFacts(platform="windows", executable="chat.exe", signer="S", hint="tracker"),
        {"text": "x"},
        at=1.5,
        secure=False,
        field="f",
        typing=Typing.VALUE,
        settles=True,
    )


def test_a_line_without_a_window_takes_what_was_told() -> None:
    found = line(signal="scroll")

    assert isinstance(found, Event)
    assert found.window == WindowFacts(hint="tracker")


@pytest.mark.parametrize(("session", "said"), [("own", "own"), ("other", "other"), ("", "")])
def test_a_window_says_whose_session_it_is_of(session: str, said: str) -> None:
    found = line(signal="scroll", window={"host": "tracker.example.com", "session": session})

    assert isinstance(found, Event)
    assert found.window.session == said


@pytest.mark.parametrize("session", [True, None, 1, ["own"]])
def test_a_session_that_is_no_word_is_no_event(session: object) -> None:
    found = line(signal="scroll", window={"host": "tracker.example.com", "session": session})

    assert found == Skipped("bad_event")


@pytest.mark.parametrize("private", [True, None, "no", 0])
def test_a_window_is_private_unless_it_clearly_is_not(private: object) -> None:
    found = line(signal="scroll", window={"host": "tracker.example.com", "private": private})

    assert isinstance(found, Event)
    assert found.window.private is True


def test_a_line_that_does_not_say_it_leaves_it_unknown() -> None:
    for found in (line(signal="scroll", window={"host": "tracker.example.com"}), line(signal="x")):
        assert isinstance(found, Event)
        assert found.window.private is None


@pytest.mark.parametrize(
    "value",
    [
        {},
        {"signal": 7},
        {"signal": "scroll", "t": "now"},
        {"signal": "scroll", "t": True},
        {"signal": "scroll", "t": 10**400},
        {"signal": "scroll", "window": "chat"},
        {"signal": "scroll", "window": {"host": 7}},
        {"signal": "key_content", "typing": "guess"},
    ],
)
def test_an_odd_line_is_counted_and_passed_over(value: dict[str, Any]) -> None:
    assert line(**value) == Skipped("bad_event")


@given(st.binary(max_size=60))
def test_no_bytes_break_a_line(data: bytes) -> None:
    assert isinstance(read_line(data, WindowFacts()), Event | Skipped)


# --- input ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "content",
    [
        json.dumps([meta(), increment(3, id=1, x=0, y=1)]),
        json.dumps([meta(), increment(3, id=1, x=0, y=1)], indent=2),
        json.dumps({"events": [meta(), increment(3, id=1, x=0, y=1)]}),
        json.dumps(meta()) + "\n\n" + json.dumps(increment(3, id=1, x=0, y=1)) + "\n",
    ],
)
def test_rrweb_files_come_in_several_forms(tmp_path: Path, content: str) -> None:
    path = tmp_path / "recording.json"
    path.write_text(content)

    found = open_recorder("rrweb", str(path), Told())

    assert counted(found) == {"app_focus": 1, "scroll": 1}


@pytest.mark.parametrize("content", ["", "[", "nonsense", "{}", "[1, null]", "\n\n"])
def test_files_that_hold_nothing_yield_nothing(tmp_path: Path, content: str) -> None:
    path = tmp_path / "recording.json"
    path.write_text(content)

    assert set(counted(open_recorder("rrweb", str(path), Told()))) <= {"-bad_event"}


@pytest.mark.parametrize("number", [10**400, -(10**400), float("inf"), float("nan"), 1e7])
def test_a_number_that_is_no_place_is_left_out(number: float) -> None:
    line = json.dumps({"signal": "mouse_click", "x": number, "y": 2, "action": "click"}).encode()

    event = read_line(line, WindowFacts())

    assert isinstance(event, Event)
    assert reduce(event.signal, event.data) == {"y": 2, "action": "click"}


def test_a_long_recording_on_one_line_is_read_whole(tmp_path: Path) -> None:
    filler = {"type": 5, "timestamp": 1001, "data": {"payload": "x" * (9 << 20)}}
    path = tmp_path / "long.json"
    path.write_text(json.dumps([meta(), filler, increment(2, type=2, id=1, x=1, y=2)]))

    assert counted(open_recorder("rrweb", str(path), Told())) == {
        "app_focus": 1, "-not_a_signal": 1, "mouse_click": 1,
    }  # fmt: skip


@pytest.mark.parametrize(("end", "more"), [(b"", 0), (b"\n", 0), (b"\n" + b"{}", 1)])
def test_what_is_too_long_to_be_read_is_counted_and_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, end: bytes, more: int
) -> None:
    monkeypatch.setattr(source, "LONGEST_DOCUMENT", 1000)
    path = tmp_path / "long"
    path.write_bytes(json.dumps([meta()] * 2000).encode() + end)

    ours = read_ndjson(source.lines(str(path), longest=1000), WindowFacts())

    assert counted(ours) == {"-bad_event": 1 + more}
    assert counted(open_recorder("rrweb", str(path), Told())) == {"-bad_event": 1 + more}


@settings(max_examples=60, deadline=None)
@given(st.lists(st.binary(max_size=40)), st.integers(1, 30))
def test_lines_come_as_they_are_however_they_are_read(parts: list[bytes], chunk: int) -> None:
    data = b"".join(parts)
    with tempfile.NamedTemporaryFile() as file, pytest.MonkeyPatch.context() as patch:
        patch.setattr(source, "_CHUNK", chunk)
        file.write(data)
        file.flush()

        found = list(source.lines(file.name, longest=20))

    whole = re.findall(rb"[^\n]*\n|[^\n]+", data)
    assert found == [one if len(one.rstrip(b"\n")) <= 20 else source.UNREADABLE for one in whole]


def test_what_recorders_leave_out_is_said_in_plain_words() -> None:
    written = "".join(path.read_text() for path in (AGENTKIT / "sayso_agent").rglob("*.py"))

    left_out = set(re.findall(r'Skipped\("(\w+)"', written))

    assert len(left_out) > 3
    assert left_out | {"editable_text", "embedded_frame", "too_big"} <= set(PLAIN)


def test_a_missing_file_is_said_to_be_missing(tmp_path: Path) -> None:
    with pytest.raises(UsageError):
        open_recorder("ndjson", str(tmp_path / "none"), Told())
    with pytest.raises(UsageError):
        open_recorder("openadapt", "-", Told())


def test_the_recorder_is_guessed_by_the_name() -> None:
    names = ("a.db", "b.json", "c.ndjson", "-")

    assert [guess(n) for n in names] == ["openadapt", "rrweb", "ndjson", "ndjson"]
