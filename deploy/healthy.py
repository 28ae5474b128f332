"""Is the process of this container healthy? `python -I -S deploy/healthy.py ROLE`: exit code 0 or 1.

Reads the age and the state in the file that every service writes each second. An orchestrator asks every few seconds,
for each container, so the script imports nothing that Python has not loaded anyway. A busy host delays the file by
seconds; only a file older than a minute counts as a process that hangs.
"""

import os
import sys
import time

ALIVE_S = 60.0
HEALTHY = ('"state": "running"', '"state": "draining"')

folder = os.environ.get("CORNERMAN_RUNTIME__DIR", "/run/cornerman")
role = sys.argv[1]
sentence = f"{role}: no health file in {folder}"
try:
    for name in os.listdir(folder):
        if name.startswith(f"{role}-") and name.endswith(".health"):
            with open(os.path.join(folder, name), encoding="utf-8") as file:
                state = file.read()
                age_s = time.time() - os.fstat(file.fileno()).st_mtime
            if age_s <= ALIVE_S and any(word in state for word in HEALTHY):
                print(f"{role} is healthy")
                sys.exit(0)
            sentence = f"{role} wrote its health {age_s:.0f} s ago: {state}"
except OSError as error:
    sentence = f"{role}: {error}"
print(sentence)
sys.exit(1)
