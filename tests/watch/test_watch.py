"""The live page: what it tells of a run at every stage, who gets it, and that it leaves the run alone."""

from __future__ import annotations

import http.client
import json
import os
import platform
import threading
import urllib.parse

import pytest
from typer.testing import CliRunner

from goodfit.cli.main import app
from goodfit.errors import InputError, RunFolderError
from goodfit.report.records import read_records
from goodfit.search.story import JOURNAL
from goodfit.store.lock import only_writer, writer
from goodfit.watch.feed import Feed
from goodfit.watch.progress import progress_of
from goodfit.watch.server import Server

BAD = "<img src=x onerror=alert(1)></script>\"'&amp;"


@pytest.fixture
def server(half):
    found = Server(Feed(half))
    thread = threading.Thread(target=found.run, daemon=True)
    thread.start()
    yield found
    found.stop()
    thread.join(10)
    assert not thread.is_alive()


def ask(server, path="/", *, method="GET", host=None, cookie=None):
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    headers = {"Host": host or f"127.0.0.1:{server.port}"} | ({"Cookie": cookie} if cookie else {})
    connection.request(method, path, headers=headers)
    return connection.getresponse()


def cookie_of(server):
    answer = ask(server, f"/?token={server.token}")
    assert (answer.status, answer.headers["location"]) == (303, "/")
    found = answer.headers["set-cookie"]
    assert "HttpOnly" in found
    return found.split(";")[0]


def events(answer):
    """Yield what the server sends, one message after another."""
    while line := answer.readline():
        if line.startswith(b"data: "):
            yield json.loads(line[6:])


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


# ---- who gets it ----


def test_the_token_becomes_a_cookie_and_opens_the_page(server):
    answer = ask(server, cookie=cookie_of(server))
    assert answer.status == 200
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["x-frame-options"] == "DENY"
    page = answer.read().decode()
    assert '<section id="now"' in page
    assert server.token not in page


@pytest.mark.parametrize("path", ["/", "/events", "/?token=", "/?token=wrong", "/?token=%C3%A4", "/nowhere"])
def test_without_the_token_there_is_nothing(server, path):
    answer = ask(server, path)
    assert answer.status == 403
    assert b"token" in answer.read()


@pytest.mark.parametrize("host", ["evil.example", "evil.example:80", "127.0.0.1.evil.example", "[::1]:80"])
def test_another_name_for_this_machine_is_refused(server, host):
    assert ask(server, f"/?token={server.token}", host=host).status == 421


def test_a_forwarded_port_is_no_other_machine(server):
    assert ask(server, f"/?token={server.token}", host="localhost:9999").status == 303


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"])
def test_it_can_only_be_read(server, half, method):
    before = contents(half)
    assert ask(server, "/", method=method, cookie=cookie_of(server)).status == 405
    assert contents(half) == before


def test_only_loopback_is_bound(server):
    assert server._socket.getsockname()[0] == "127.0.0.1"
    assert urllib.parse.urlsplit(server.address).hostname == "127.0.0.1"


def test_a_port_that_is_taken_is_said(server, half):
    with pytest.raises(InputError, match=f"--port {server.port}"):
        Server(Feed(half), server.port)


# ---- what it shows ----


def test_changes_come_as_they_are_written(server, bring_to_its_end):
    answer = ask(server, "/events", cookie=cookie_of(server))
    assert answer.headers["content-type"].startswith("text/event-stream")
    told = events(answer)
    first = next(told)
    assert first["order"][0] == "now"
    assert set(first["parts"]) == set(first["order"])
    assert "answer" not in first["order"]
    assert "Nobody works on this run" in first["parts"]["now"]
    bring_to_its_end()
    for later in told:
        if "answer" in later["order"]:
            break
    assert later["order"][:2] == ["now", "answer"]
    assert "Finished" in later["parts"]["now"]
    assert "making" not in later["parts"] or later["parts"]["making"] != first["parts"]["making"]


def test_names_stay_text(half):
    page = Feed(half).page()
    assert "<img" not in page
    assert page.count("<script") == 1
    assert "&lt;img src=x onerror=alert(1)&gt;&lt;/script&gt;" in page


def test_a_lock_tells_who_works(half):
    assert writer(half) is None
    with only_writer(half):
        assert writer(half) == f"process {os.getpid()} on {platform.node()}"
        assert "Searching, by process" in Feed(half).parts()["now"]
    (half / "lock").write_text(f"process 999999999 on {platform.node()}")  # killed
    assert writer(half) is None
    (half / "lock").write_text("process 1 on another")
    assert writer(half) == "process 1 on another"
    (half / "lock").write_text("")
    assert writer(half) is None


def test_the_clock_runs_while_somebody_works(half):
    records = read_records(half)
    waiting, working = (progress_of(records, who, 5.0) for who in (None, "process 1 on host"))
    assert working.seconds == waiting.seconds + 5.0
    assert working.share == waiting.share  # a budget of members
    assert 0 < working.share <= 1
    records.config["budget"] = "20s"
    assert progress_of(records, "process 1 on host", 5.0).share == pytest.approx(working.seconds / 20)
    assert progress_of(records, "process 1 on host", 500.0).share == 1.0


def test_a_finished_run_is_shown_whole(hostile_run):
    parts = Feed(hostile_run).parts()
    assert list(parts)[:2] == ["now", "answer"]
    assert "progress" not in parts["now"]


def test_a_run_that_has_decided_nothing_yet(half):
    (half / JOURNAL).unlink()
    with only_writer(half):
        assert "Nothing is decided yet" in Feed(half).parts()["now"]


def test_damage_is_said_and_what_was_drawn_stays(half, monkeypatch):
    monkeypatch.setattr("goodfit.watch.feed._TICK", 0.0)
    monkeypatch.setattr("goodfit.watch.feed._REST", 0)
    feed = Feed(half)
    before = feed.parts()
    config = half / "config.json"
    config.write_bytes(config.read_bytes().replace(b"10 members", b"99 members"))
    after = feed.parts()
    assert "damaged" in after.pop("now")
    before.pop("now")
    assert after == before


def test_nothing_is_drawn_again_while_it_rests(half, monkeypatch):
    monkeypatch.setattr("goodfit.watch.feed._TICK", 0.0)
    drawn = []
    monkeypatch.setattr("goodfit.watch.feed.live_parts", lambda records: drawn.append(1) or [])
    feed = Feed(half)
    feed.parts()
    assert len(drawn) == 1
    monkeypatch.setattr(feed, "_resting", float("inf"))
    (half / JOURNAL).touch()
    feed.parts()
    assert len(drawn) == 1
    monkeypatch.setattr(feed, "_resting", 0.0)
    feed.parts()
    assert len(drawn) == 2


def test_what_is_no_run_is_refused(tmp_path):
    with pytest.raises(RunFolderError):
        Feed(tmp_path)
    done = CliRunner().invoke(app, ["watch", str(tmp_path)])
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr.startswith(f"There is no run in {tmp_path} yet: start `goodfit fit")


def test_the_command_prints_the_address_and_ends_quietly(half, hostile_run, monkeypatch):
    def interrupted(self):
        raise KeyboardInterrupt

    monkeypatch.setattr(Server, "run", interrupted)
    monkeypatch.setattr(os, "nice", lambda more: None)
    done = CliRunner().invoke(app, ["watch", str(half)])
    assert done.exit_code == 0
    assert done.stdout.startswith("http://127.0.0.1:")
    assert done.stderr == "Ctrl-C ends the page; the run goes on.\n"
    assert CliRunner().invoke(app, ["watch", str(hostile_run)]).stderr == "Ctrl-C ends the page.\n"
    told = json.loads(CliRunner().invoke(app, ["watch", str(half), "--json"]).stdout)
    assert told["address"].startswith("http://127.0.0.1:")
