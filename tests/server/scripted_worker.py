"""A worker that fails in one way, for the tests of the pump: the way is its first argument."""

import os
import socket
import sys
import time

from zeta_context.server.proxy import link


def main() -> None:
    way, fd = sys.argv[1], int(sys.argv[-1])
    stream = socket.socket(fileno=fd)
    if way == "dies":
        os._exit(1)
    if way == "garbage":
        stream.sendall(link.encode_record(b"?", b"x") + link.encode_record(link.OFFERS, b"{no"))
        stream.sendall(link.encode_record(link.ANSWER, b"\xff\xff"))
    reader = link.RecordReader()
    while True:
        if way == "hangs":
            time.sleep(60)
        data = stream.recv(65536)
        if not data:
            return
        for record in reader.feed(data):
            if way == "dies when asked" and record.kind == link.REQUEST:
                os._exit(1)


if __name__ == "__main__":
    main()
