"""Rounds in Python: containers, numbers, text, compression, threads and processes."""

import collections
import decimal
import hashlib
import json
import re
import subprocess
import sys
import threading
import zlib


def numbers(seed):
    decimal.getcontext().prec = 50
    root = decimal.Decimal(seed + 2).sqrt()
    return [str(root), pow(3, 1000 + seed, 10**40 + seed), sum(x * 0.5 for x in range(1000)), seed / 7]


def texts(seed):
    words = ["%x" % (i * 2654435761 + seed & 0xFFFFFF) for i in range(2000)]
    counted = collections.Counter(re.findall(r"[a-f]+", " ".join(words)))
    return sorted(counted.items())[:50]


def classes(seed):
    kind = type("Kind", (), {"value": seed, "double": lambda self: self.value * 2})
    return [kind().double() for _ in range(100)]


def threads(seed):
    results = {}

    def body(number):
        results[number] = sum(i * i % (number + 2) for i in range(500 + seed))

    all_of_them = [threading.Thread(target=body, args=(i,)) for i in range(10)]
    for thread in all_of_them:
        thread.start()
    for thread in all_of_them:
        thread.join()
    return sorted(results.items())


def processes(seed):
    return subprocess.run(["sh", "-c", f"echo $(({seed} * 6))"], capture_output=True, check=True).stdout.decode()


for line in sys.stdin:
    seed = int(line)
    parts = [numbers(seed), texts(seed), classes(seed), threads(seed), processes(seed)]
    text = json.dumps(parts).encode()
    assert zlib.decompress(zlib.compress(text)) == text
    print(hashlib.sha256(text).hexdigest(), flush=True)
