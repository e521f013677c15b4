"""The chart repository."""

from __future__ import annotations

import gzip
import hashlib
import io
import tarfile
import urllib.error
import urllib.request

import pytest
import yaml
from conftest import Cloud


def test_index_and_packages(cloud: Cloud) -> None:
    base = cloud.env["LOCALCLOUD_CHARTS"]
    with urllib.request.urlopen(f"{base}/index.yaml") as response:
        index = yaml.safe_load(response)
    versions = index["entries"]["aws-load-balancer-controller"]
    assert [v["version"] for v in versions] == ["3.5.0", "3.4.0"]
    for version in versions:
        with urllib.request.urlopen(f"{base}/{version['urls'][0]}") as response:
            package = response.read()
        assert hashlib.sha256(package).hexdigest() == version["digest"]
        with tarfile.open(fileobj=io.BytesIO(gzip.decompress(package))) as files:
            text = {name: (files.extractfile(name) or io.BytesIO()).read().decode() for name in files.getnames()}
        chart = yaml.safe_load(text["aws-load-balancer-controller/Chart.yaml"])
        assert (chart["version"], chart["appVersion"]) == (version["version"], f"v{version['version']}")
        assert version["version"] in text["aws-load-balancer-controller/crds/crds.yaml"]
        assert not any("@VERSION@" in content for content in text.values())


def test_what_is_not_there(cloud: Cloud) -> None:
    for path in ("charts/other-1.0.0.tgz", "charts/aws-load-balancer-controller-9.9.9.tgz", "charts/../settings.py", "other"):
        with pytest.raises(urllib.error.HTTPError, match="404"):
            urllib.request.urlopen(cloud.env["LOCALCLOUD_CHARTS"].removesuffix("charts") + path)
