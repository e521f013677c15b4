"""Starting, stopping, identities and the record of calls."""

from __future__ import annotations

import os
import pathlib
import signal
import subprocess
import sys
import time

import botocore.exceptions
import pytest
from conftest import Cloud, until

from localcloud import __main__, calls, cloud, process
from localcloud.layout import Layout


def test_command_line(tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]) -> None:
    def run(*arguments: str) -> tuple[int, str]:
        code = __main__.main([*arguments, "--dir", str(tmp_path)])
        return code, capsys.readouterr().out

    assert run("status") == (3, "local cloud is not running\n")
    assert run("start")[0] == 0
    assert "already running" in run("start")[1]
    code, text = run("status")
    assert (code, "endpoint  http://127.0.0.1:" in text) == (0, True)
    assert run("stop") == (0, "local cloud stopped (1 processes)\n")
    assert run("stop") == (0, "local cloud is not running\n")
    assert list(tmp_path.iterdir()) == []


def test_stop_after_a_crash(tmp_path: pathlib.Path) -> None:
    layout = Layout(tmp_path)
    cloud.start(layout)
    (server,) = process.recorded(layout.pids)
    # Stands for a control plane: a process with a child, which outlives the server.
    script = "import subprocess,sys,time;subprocess.Popen([sys.executable,'-c','import time;time.sleep(99)']);time.sleep(99)"
    process.spawn("kubernetes-x", [sys.executable, "-c", script], dict(os.environ), tmp_path / "log", layout.pids)
    os.kill(server.pid, signal.SIGKILL)
    (left,) = (p for p in process.recorded(layout.pids) if p.name == "kubernetes-x")
    until(lambda: len(left.members()) == 2)
    cloud.stop(layout)
    assert left.members() == []


def test_a_stranger_with_the_same_number_is_spared(tmp_path: pathlib.Path) -> None:
    with subprocess.Popen([sys.executable, "-c", "import time;time.sleep(99)"], start_new_session=True) as stranger:
        recorded = process.Recorded("gone", stranger.pid, sys.maxsize, tmp_path / "gone.json")
        process.stop([recorded])
        assert stranger.poll() is None
        stranger.kill()


def test_nothing_listens_beyond_loopback(cloud: Cloud) -> None:
    (server,) = (p for p in process.recorded(cloud.layout.pids) if p.name == "ministack")
    sockets = set()
    for pid in server.members():
        for link in pathlib.Path(f"/proc/{pid}/fd").iterdir():
            target = os.readlink(link) if link.is_symlink() else ""
            if target.startswith("socket:["):
                sockets.add(target[8:-1])
    listening = []
    for table in ("tcp", "tcp6"):
        for line in pathlib.Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == "0A" and fields[9] in sockets:
                listening.append(fields[1].split(":")[0])
    assert listening
    assert set(listening) == {"0100007F"}


def test_identities(cloud: Cloud) -> None:
    for account, number in (("platform", "111111111111"), ("target", "222222222222")):
        identity = cloud.client("sts", account).get_caller_identity()
        assert identity["Arn"] == f"arn:aws:iam::{number}:user/deployer"
    secret = {"aws_access_key_id": cloud.env["AWS_ACCESS_KEY_ID"], "aws_secret_access_key": "wrong"}
    with pytest.raises(botocore.exceptions.ClientError, match="SignatureDoesNotMatch"):
        cloud.client("iam", **secret).list_users()


def test_calls_are_recorded(cloud: Cloud, capsys: pytest.CaptureFixture[str]) -> None:
    began = time.time()
    ssm = cloud.client("ssm", "target")
    ssm.put_parameter(Name="/recorded", Value="v", Type="String")
    ssm.get_parameter(Name="/recorded")
    found = [c for c in calls.read(cloud.layout) if c["time"] >= began - 0.001 and c["service"] == "ssm"]
    assert [(c["action"], c["mutating"], c["account"], c["status"]) for c in found] == [
        ("PutParameter", True, "222222222222", 200),
        ("GetParameter", False, "222222222222", 200),
    ]
    assert found[0]["principal"] == "arn:aws:iam::222222222222:user/deployer"
    base = ["calls", "--dir", str(cloud.layout.base), "--since", str(began - 0.001), "--account", "222222222222"]
    counts = {}
    for name, more in {"mutating": ["--mutating"], "ignored": ["--mutating", "--ignore", "ssm:PutParameter"]}.items():
        assert __main__.main([*base, *more]) == 0
        counts[name] = capsys.readouterr().out.split()
    assert counts["mutating"] == ["1", "222222222222", "ssm:PutParameter", "1", "total"]
    assert counts["ignored"] == ["0", "total"]


def test_what_counts_as_mutating() -> None:
    cases = {
        "eks:DescribeCluster": False,
        "s3:GetObject": False,
        "s3:PutObject": True,
        "sts:AssumeRole": False,
        "cloudformation:UpdateStack": True,
        "cloudformation:CreateChangeSet": True,
        "dynamodb:PutItem": True,
        "lambda:InvokeFunction": False,
        "states:SendTaskSuccess": True,
    }
    assert {action: calls.mutating(action) for action in cases} == cases
