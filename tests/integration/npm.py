"""Installs npm packages for tests, outside the repository, once for each set of packages."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path


def install(packages: Mapping[str, str]) -> Path:
    """Folder whose `node_modules` holds these packages (name -> version range)."""
    npm = shutil.which("npm")
    assert npm and shutil.which("node"), "this test needs Node and npm: `apt install nodejs npm`, or https://nodejs.org"
    wanted = json.dumps(dict(sorted(packages.items())))
    digest = hashlib.sha256(wanted.encode()).hexdigest()[:12]
    folder = Path(tempfile.gettempdir()) / f"cornerman-node-{os.getuid()}-{digest}"
    if not (folder / "node_modules").is_dir():
        draft = Path(tempfile.mkdtemp(prefix="cornerman-node-"))
        (draft / "package.json").write_text(json.dumps({"private": True, "type": "module", "dependencies": packages}))
        command = [npm, "install", "--no-audit", "--no-fund", "--no-package-lock", "--loglevel=error"]
        done = subprocess.run(command, cwd=draft, capture_output=True, text=True, timeout=110)
        assert done.returncode == 0, f"npm install of {wanted} failed:\n{done.stdout}\n{done.stderr}"
        try:
            draft.rename(folder)
        except OSError:  # another process installed them first
            shutil.rmtree(draft)
    return folder
