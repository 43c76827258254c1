/* Messages from the emulator -> records -> socket. */
#ifndef TACIT_CARRIER_OUTPUT_H
#define TACIT_CARRIER_OUTPUT_H

#include "link.h"

/* One message of the emulator's, or of dist_util's; size 0 is a tick. */
void link_output(struct link *l, ErlIOVec *message);
void link_tick(struct link *l);
/* Seals what is batched: for a record that the channel is to seal behind it. */
void link_seal_batched(struct link *l);
/* Takes a sealed record along with what link_flush_output sends. */
void link_queue_record(struct link *l, const uint8_t *record, size_t len);
/* The zero timer: what was batched is sent, a batching that came to rest ends. */
void link_turn(struct link *l);
/* Seals what waits in the port's queue and sends it, as far as a turn and the socket go.
 */
void link_seal_queue(struct link *l);
void link_free_output(struct link *l);

/* Seals what is batched and sends it. */
void link_flush_output(struct link *l);
/* Sends what was queued so outside of the emulator's own output. */
void link_send_now(struct link *l);
/* Sends the records of the batch; nothing may be batched behind them. */
void link_send_batch(struct link *l);
/* Sends what the socket did not take before. */
void link_send_queue(struct link *l);
/* The emulator is told whether to go on. */
void link_check_busy(struct link *l);
size_t link_pending(const struct link *l);
/* How many bytes of the port's queue are records. */
size_t link_queued(const struct link *l);

#endif
