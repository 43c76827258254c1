#!/usr/bin/env python3
"""door.py DAEMON COMMAND: memory that runs out in secure-epmd, at each allocation in turn.

DAEMON is built with fault.c: TACIT_FAULT_AT=N lets its N-th allocation fail. Either it does
not start, and says why; or it goes on, and the next who asks is served. TAP.
"""
import base64
import os
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time

PATIENCE = 60
daemon, command = sys.argv[1:3]
home = tempfile.mkdtemp(prefix='tacit-memory-door.', dir=os.environ.get('TACIT_TEST_DIR'))
address = f'127.67.{os.getpid() >> 8 & 255}.{os.getpid() & 255}'
unix = os.path.join(home, 'door.sock')


def free_port():
    """On which nobody listens at 127.0.0.1, where legacy epmd is to."""
    with socket.socket() as s:
        s.bind(('127.0.0.1', 0))
        return str(s.getsockname()[1])


def write(name, text):
    fd = os.open(os.path.join(home, name), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(fd, 'w') as file:
        file.write(text)


def public_key(name):
    return subprocess.run([command, 'pubkey', os.path.join(home, name)], check=True, text=True,
                          capture_output=True).stdout.strip()


def configure():
    for name in 'mesh.key', 'host.key', 'door.key', 'node.key':
        write(name, base64.b64encode(os.urandom(32)).decode() + '\n')
    host = f'listen = {address}:4370\ndoor = {unix}\nplain-nodes = *\n'
    mesh = f'[mesh]\nkey-file = {home}/mesh.key\n[host]\n'
    write('door.conf', f'{mesh}identity = {home}/host.key\n{host}door-identity = {home}/door.key\n'
          f'[peer n@n.example]\npublic-key = {public_key("node.key")}\ndirectory = yes\n')
    write('node.conf', f'{mesh}identity = {home}/node.key\n{host}'
          f'[peer *@{address}]\npublic-key = {public_key("host.key")}\n'
          f'door-key = {public_key("door.key")}\n')


def frame(kind, body=b''):
    return struct.pack('>HB', 1 + len(body), kind) + body


def text(value):
    return bytes([len(value)]) + value


def ask(kind, body=b''):
    """One request on the Unix socket: the types of the frames that answer it."""
    kinds = []
    with socket.socket(socket.AF_UNIX) as s:
        s.settimeout(PATIENCE)
        try:
            s.connect(unix)
            s.sendall(frame(kind, body))
            stream = s.makefile('rb')
            while len(header := stream.read(3)) == 3:
                length, answer = struct.unpack('>HB', header)
                stream.read(length - 1)
                kinds.append(answer)
                if answer == 2:  # registered: it stays so as long as this connection
                    break
        except OSError:
            pass
    return kinds


def strangers():
    """Connections of all kinds; what becomes of them is not asked."""
    for words in b'', b'GET / HTTP/1.0\r\n\r\n', bytes(500):
        with socket.socket() as s:
            try:
                s.connect((address, 4370))
                s.sendall(words)
            except OSError:
                pass
    subprocess.run([command, 'names', '--conf', f'{home}/node.conf', address], check=False,
                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    with socket.socket() as s:
        try:
            s.connect((address, 9370))
            s.sendall(b'GET /metrics HTTP/1.0\r\n\r\n')
            s.settimeout(PATIENCE)
            while s.recv(65536):
                pass
        except OSError:
            pass


REGISTER = struct.pack('>BBI', 1, 1, 7) + text(b'n@' + b'n.example') + text(b'test') + bytes(2)


def starts(process):
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end and process.poll() is None:
        try:
            with socket.socket(socket.AF_UNIX) as s:
                s.connect(unix)
                return True
        except OSError:
            time.sleep(0.005)
    return False


def served(process):
    """Everybody is, now that memory is there again."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end and process.poll() is None:
        if ask(1, REGISTER) == [2] and ask(5)[-1:] == [8] and ask(6)[-1:] == [8]:
            return True
        time.sleep(0.05)
    return False


def run(at):
    """What went wrong with the at-th allocation gone, or ''; and whether there was one."""
    environment = dict(os.environ, TACIT_FAULT_AT=str(at))
    with subprocess.Popen([daemon, '--conf', f'{home}/door.conf', '--metrics',
                           f'{address}:9370', '--epmd-port', free_port()],
                          env=environment, stdout=subprocess.DEVNULL,
                          stderr=subprocess.PIPE, text=True) as process:
        try:
            if starts(process):
                ask(1, REGISTER)
                strangers()
                ask(5)
                ask(6)
            good = served(process)
            process.send_signal(signal.SIGTERM)
            said = process.communicate(timeout=PATIENCE)[1]
        except subprocess.TimeoutExpired:
            process.kill()
            return 'it does not end', True
    failed = 'fault: this allocation fails' in said
    said = said.replace('fault: this allocation fails\n', '')
    # It may not start, if it says why.
    if not good and at > 0 and process.returncode == 1 and '\nsecure-epmd: ' in '\n' + said:
        return '', failed
    if not good or process.returncode != 0:
        return f'it does not serve, or ended with {process.returncode}: {said[-300:]}', failed
    return '', failed


def main():
    configure()
    wrong, failed = run(0)
    broken = [f'# with all the memory there is: {wrong}'] if wrong else []
    at = 0
    while not at or failed:
        at += 1
        wrong, failed = run(at)
        if wrong:
            broken.append(f'# allocation {at}: {wrong}')
    shutil.rmtree(home)
    print('1..1')
    for line in broken:
        print(line.replace('\n', '\n# '))
    print(f'# {at - 1} allocations failed')
    good = not broken and at > 20
    print(f'{"ok" if good else "not ok"} 1 - a door whose memory runs out serves the next '
          'who asks, or does not start and says why')


main()
