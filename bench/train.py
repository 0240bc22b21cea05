"""What `cargo xtask profile` has every guest do: some of everything that programs do of a system.

It ends by stopping itself, so that the counters of its emulator can be read."""
import ctypes, hashlib, json, mmap, os, re, select, signal, socket, struct
import subprocess, sys, tempfile, threading, time, zlib


def files():
    with tempfile.TemporaryDirectory() as folder:
        for i in range(50):
            path = os.path.join(folder, "f%d" % i)
            with open(path, "w+") as f:
                f.write("line\n" * 100)
                f.flush()
                os.fsync(f.fileno())
                f.seek(0)
                f.read()
            os.stat(path), os.access(path, os.R_OK), os.chmod(path, 0o600), os.utime(path)
            os.rename(path, path + "x")
        os.listdir(folder), list(os.scandir(folder)), list(os.walk(folder))
        with open(os.path.join(folder, "f1x"), "r+b") as f, mmap.mmap(f.fileno(), 0) as m:
            m[0:4] = b"LINE"
            m.flush()


def waiting():
    a, b = socket.socketpair()
    poll = select.epoll()
    poll.register(b, select.EPOLLIN)
    for i in range(200):
        a.send(b"x" * 100)
        poll.poll(1)
        select.select([b], [], [], 1)
        b.recv(1000)
    server = socket.create_server(("127.0.0.1", 0))
    client = socket.create_connection(server.getsockname())
    served, _ = server.accept()
    client.sendall(b"hello")
    served.recv(5), served.getpeername(), served.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    r, w = os.pipe()
    os.write(w, b"1"), os.read(r, 1), os.dup(r)


def threads():
    lock, found = threading.Condition(), []

    def work(n):
        for _ in range(50):
            with lock:
                found.append(n)
                lock.notify()
                lock.wait(0.0001)

    all_of_them = [threading.Thread(target=work, args=(n,)) for n in range(4)]
    for t in all_of_them:
        t.start()
    for t in all_of_them:
        t.join()


def signals():
    seen = []
    for n in (signal.SIGUSR1, signal.SIGALRM):
        signal.signal(n, lambda *a: seen.append(a))
    for _ in range(100):
        os.kill(os.getpid(), signal.SIGUSR1)
    signal.setitimer(signal.ITIMER_REAL, 0.001, 0.001)
    time.sleep(0.02)
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR2])


def processes():
    for _ in range(10):
        subprocess.run(["/bin/sh", "-c", "exit 0"], check=True)
        pid = os.fork()
        if pid == 0:
            os._exit(0)
        os.waitpid(pid, 0)
    subprocess.run(["/bin/cat"], input=b"text", capture_output=True, check=True)


def computing():
    text = json.dumps([{"a": i, "b": [str(i)] * 3, "c": i / 7} for i in range(300)])
    json.loads(text), re.findall(r"(\d+)\.(\d)", text), zlib.decompress(zlib.compress(text.encode()))
    hashlib.sha256(text.encode()), hashlib.md5(text.encode()), struct.pack("<10d", *range(10))
    sum(x * 0.5 ** 0.5 // 3 for x in range(3000)), 3 ** 2000 % 10 ** 30, sorted(text), int("7" * 200)
    ctypes.CDLL(None).getpid()


for part in (files, waiting, threads, signals, processes, computing):
    part()
sys.stdout.flush()
os.kill(os.getpid(), signal.SIGSTOP)
