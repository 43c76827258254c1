#!/usr/bin/env python3
"""amqp.py HOST PORT declare | publish N | consume N: an ordinary client of RabbitMQ's.

One quorum queue with a copy on two brokers. What is published is confirmed by the broker;
what is consumed must be 0 to N-1, in order.
"""
import sys

import pika

QUEUE = 'interop'
host, port, action = sys.argv[1], int(sys.argv[2]), sys.argv[3]
connection = pika.BlockingConnection(pika.ConnectionParameters(
    host, port, blocked_connection_timeout=60, socket_timeout=60))
channel = connection.channel()
if action == 'declare':
    channel.queue_declare(QUEUE, durable=True, arguments={
        'x-queue-type': 'quorum', 'x-quorum-initial-group-size': 2})
elif action == 'publish':
    channel.confirm_delivery()
    for n in range(int(sys.argv[4])):
        channel.basic_publish('', QUEUE, b'%d' % n, mandatory=True)
else:
    expected = 0
    for method, _, body in channel.consume(QUEUE, inactivity_timeout=60):
        if method is None:
            sys.exit('nothing more after %d messages' % expected)
        if int(body) != expected:
            sys.exit('expected %d, got %r' % (expected, body))
        channel.basic_ack(method.delivery_tag)
        expected += 1
        if expected == int(sys.argv[4]):
            break
    channel.cancel()
connection.close()
