# Python workloads of `cargo xtask bench`: the name is the argument; prints a checksum.
import sys, json, zlib, hashlib


def recursion():
    def fib(n):
        return n if n < 2 else fib(n - 1) + fib(n - 2)
    return fib(23)


def dicts():
    d = {}
    for i in range(150000):
        k = "k%d" % (i * 7 % 5003)
        d[k] = d.get(k, 0) + i
    return sum(d.values())


def floats():
    x, s = 0.5, 0.0
    for i in range(400000):
        x = 3.9 * x * (1.0 - x)
        s += x * i
    return "%.3f" % (s / 1e6) != ""


def jsons():
    data = {"list": [{"id": i, "name": "n%d" % i, "v": [i * 0.5, None, True]} for i in range(3000)]}
    for _ in range(4):
        text = json.dumps(data)
        back = json.loads(text)
    return len(text) + len(back["list"])


def zlibs():
    data = bytes((i * i >> 5) & 0x7F for i in range(300000))
    for level in (1, 6, 9):
        packed = zlib.compress(data, level)
        assert zlib.decompress(packed) == data
    return len(packed)


def hashlibs():
    data = bytes(range(256)) * 4096
    return "".join(hashlib.new(n, data * 4).hexdigest()[:8] for n in ("md5", "sha1", "sha256", "sha512", "blake2b"))


print(sys.argv[1], globals()[sys.argv[1]]())
